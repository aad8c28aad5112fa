// `swiftlet doctor`: every feature of the sandbox, really tried on this machine as this user.
import Cgroups
import Glibc
import SandboxPolicy

public struct Doctor {
    let probe: Probe
    /// Where images and volumes will lie: the file system whose abilities count.
    let directory: String

    var machine: Machine { probe.machine }

    /// `directory`: where images and volumes lie; it must exist. Takes well under a second; blocks.
    public static func examine(launcher: Launcher, directory: String) throws(RunFailure) -> DoctorReport {
        let machine = Machine.probe()
        let scratch = try ScratchDirectory("swiftlet-doctor")
        let doctor = Doctor(probe: Probe(launcher: launcher, machine: machine, scratch: scratch), directory: directory)
        let user = machine.rootless.map { "uid \($0.uid) (rootless)" } ?? "root"
        return DoctorReport(
            user: user,
            findings: doctor.namespaces + doctor.limits + doctor.fileSystem + doctor.walls + doctor.network + doctor.node)
    }

    /// A finding from a probe's outcome.
    func finding(
        _ group: DoctorFinding.Group, _ feature: String, _ outcome: Probe.Outcome, detail: String = "", fix: String,
        essential: Bool = false,
        otherwise: DoctorFinding.State = .missing
    ) -> DoctorFinding {
        DoctorFinding(
            group, feature, outcome.works ? .works : otherwise, outcome.works ? detail : outcome.reason, fix: fix,
            essential: essential)
    }
}
