// The limit tests of cgroup v2, run by Scripts/test-cgroup2 as a program in a virtual machine that has nothing else.

import Cgroups
import Glibc

if CommandLine.arguments.contains("--delegated") { exit(runDelegated()) }
if let word = CommandLine.arguments.firstIndex(of: "--thrash"), word + 1 < CommandLine.arguments.count {
    exit(runThrashing(CommandLine.arguments[word + 1]))
}
let host = CgroupHost()
var report = Report()
testLimits(host, &report)
testThrashing(host, &report)
testLaunches(host, &report)
report.end()
exit(report.failures == 0 ? 0 : 1)
