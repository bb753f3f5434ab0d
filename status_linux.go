package bailey

// maxRSSUnit: getrusage(2) counts in kilobytes here.
const maxRSSUnit = 1024
