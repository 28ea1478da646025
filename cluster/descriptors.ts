/** How many files and sockets this process may have open at a time (getrlimit(2)); node has made it the hard limit. */
export function maxDescriptors(): number {
  const { report } = process as unknown as { report: NodeReport }
  const { excludeNetwork } = report
  // It would look up the names of who is connected.
  report.excludeNetwork = true
  const { soft } = report.getReport().userLimits.open_files
  report.excludeNetwork = excludeNetwork
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

interface NodeReport {
  excludeNetwork: boolean
  getReport(): { userLimits: { open_files: { soft: number | string } } }
}
