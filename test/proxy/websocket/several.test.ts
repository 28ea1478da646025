import { once } from 'node:events'
import t from 'tap'
import { dial, start, startEcho } from './echo.ts'

t.test('a connection goes on when calls and handshakes follow to the same service', async t => {
  const { url: service } = await startEcho(t)
  const { url } = await start(t, service, {}, { connections: 3 })
  const first = dial(t, url)
  await once(first, 'open')
  const second = dial(t, url)
  await once(second, 'open')
  await (await fetch(`${url}/feed/plain`)).text()
  for (const socket of [first, second]) {
    socket.send('still here')
    const [message] = await Promise.race([once(socket, 'message'), once(socket, 'close')])
    t.equal(String(message), 'still here')
  }
})
