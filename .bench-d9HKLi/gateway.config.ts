import { describe } from '../bench/reload/gateway.ts'
export default describe(17)
