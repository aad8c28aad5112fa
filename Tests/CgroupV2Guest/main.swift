// The limit tests of cgroup v2, run by Scripts/test-cgroup2 as a program in a virtual machine that has nothing else.

import Cgroups
import Glibc

if CommandLine.arguments.contains("--delegated") { exit(runDelegated()) }
let host = CgroupHost()
var report = Report()
testLimits(host, &report)
testLaunches(host, &report)
report.end()
exit(report.failures == 0 ? 0 : 1)
