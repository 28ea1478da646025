/** Returns the limit of open files and sockets (getrlimit(2)). Node raises it to the hard limit at its start. */
export function maxDescriptors(): number {
  const { report } = process as unknown as { report: NodeReport }
  const { excludeNetwork } = report
  // Otherwise the report resolves the host names of all peers.
  report.excludeNetwork = true
  const { soft } = report.getReport().userLimits.open_files
  report.excludeNetwork = excludeNetwork
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

interface NodeReport {
  excludeNetwork: boolean
  getReport(): { userLimits: { open_files: { soft: number | string } } }
}
