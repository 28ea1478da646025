import { execFileSync } from 'node:child_process'
import t from 'tap'
import { curlOf } from '../../admin/dashboard/curl.ts'
import type { Detail } from '../../observe/recorder/show.ts'

const exchange = (members: Partial<Detail>) =>
  ({ method: 'GET', url: '/', isSecure: false, request: { headers: [] }, ...members }) as Detail

/** Returns the arguments that a shell would call curl with. */
function argumentsOf(command: string): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }\n${command}`
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)
}

t.test('quotes, newlines and substitutions reach curl unchanged', async t => {
  const url = "/it's?a=$(touch /tmp/x)&b=`id`"
  const text = '{"name":"O\'Neill\\\\","emoji":"☃"}\n$HOME'
  const headers: [string, string][] = [
    ['Host', 'api.example:8080'],
    ['Content-Length', '12'],
    ['X-Name', "a'; rm -rf ."]
  ]
  const body = { type: 'application/json', size: 1, isTruncated: false, text }
  const found = argumentsOf(curlOf(exchange({ method: 'POST', url, request: { headers, body } }), 'http:'))
  t.same(found, [
    '-X',
    'POST',
    `http://api.example:8080${url}`,
    '-H',
    "X-Name: a'; rm -rf .",
    '--data-raw',
    text
  ])
})

t.test('TLS is that of the client, and of a proxy in front', async t => {
  t.match(argumentsOf(curlOf(exchange({ isSecure: true }), 'http:')), ['-X', 'GET', 'https://localhost/'])
  t.match(argumentsOf(curlOf(exchange({}), 'https:')), ['-X', 'GET', 'https://localhost/'])
})

t.test('control characters do not reach the terminal that a command is pasted into', async t => {
  const text = "a\x1b[201~\x03\r\nrm -rf ~\n\x9bit's\ttabbed\x7f"
  const body = { type: 'text/plain', size: 1, isTruncated: false, text }
  const command = curlOf(exchange({ method: 'POST', request: { headers: [], body } }), 'http:')
  t.notMatch(command, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/)
  t.equal(argumentsOf(command).at(-1), text)
})
