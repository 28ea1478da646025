import { describe } from '../bench/reload/gateway.ts'
export default { listen: { port: 'none' } }
