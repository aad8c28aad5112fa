// Promises about what the agent reads of its machine.
import AgentCore
import Glibc
import Testing

@testable import Agent

@Suite("Machine facts")
struct MachineFactsTests {
    @Test("this machine has CPUs, memory, a boot id and a kernel version")
    func machine() {
        let facts = MachineFacts.read()
        #expect(facts.cpuMillis >= 10)
        #expect(facts.memoryBytes > 64 << 20)
        #expect(facts.bootID.count == 36)
        #expect(!facts.kernelVersion.isEmpty)
        let load = NodeMeasurement.measure(directory: "/tmp")
        #expect(load.diskTotalBytes > 0 && load.memoryAvailableBytes > 0 && load.processes > 0)
    }

    @Test("a cgroup limit below the machine's size is the size")
    func cgroupLimits() throws {
        var template = Array("/tmp/swiftlet-facts-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { return }
        let root = String(cString: made)
        let files = [
            "proc/self/cgroup": "0::/box\n", "proc/meminfo": "MemTotal:       8388608 kB\nMemAvailable:   4194304 kB\n",
            "sys/fs/cgroup/box/memory.max": "2147483648\n", "sys/fs/cgroup/box/cpu.max": "50000 100000\n",
            "etc/os-release": "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
        ]
        for (name, text) in files {
            var path = root
            for part in name.split(separator: "/").dropLast() {
                path += "/\(part)"
                mkdir(path, 0o755)
            }
            let file = try #require(fopen("\(root)/\(name)", "w"))
            fputs(text, file)
            fclose(file)
        }
        let facts = MachineFacts.read(root: root)
        #expect(facts.memoryBytes == 2_147_483_648)
        #expect(facts.cpuMillis == 500)
        #expect(facts.osImage == "Debian GNU/Linux 12")
        for name in files.keys.sorted().reversed() { unlink("\(root)/\(name)") }
        for directory in ["proc/self", "proc", "sys/fs/cgroup/box", "sys/fs/cgroup", "sys/fs", "sys", "etc", ""] {
            rmdir("\(root)/\(directory)")
        }
    }

    @Test("a port somebody listens on is taken, a fresh one is free")
    func ports() {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, length)
                getsockname(descriptor, $0, &length)
            }
        }
        listen(descriptor, 1)
        let port = UInt16(bigEndian: address.sin_port)
        #expect(PortProbe.taken([port]) == [port])
        close(descriptor)
        // Whoever takes any free port, beside us, may be given this one for a moment.
        for _ in 0..<50 where !PortProbe.taken([port]).isEmpty { usleep(20_000) }  // nobody tells when a port is free again
        #expect(PortProbe.taken([port]).isEmpty)
    }
}
