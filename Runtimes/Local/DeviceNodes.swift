// Whether a container could use the device nodes that it is to get.

import Glibc
import RuntimeInterface

package enum DeviceNodes {
    /// Throws for the first that is none, or that its container could see and not open. A task with ids of its own has only what the
    /// node grants to others: no id of it is the node's owner, and a device's file system cannot be id-mapped.
    package static func check(_ devices: [ContainerDevice], hasOwnIDs: Bool) throws(RuntimeError) {
        for device in devices {
            var facts = stat()
            guard stat(device.hostPath, &facts) == 0 else {
                throw .unenforceable(
                    "device \(device.hostPath): \(String(cString: strerror(errno))); swiftlet.node.devices named it")
            }
            let type = facts.st_mode & S_IFMT
            guard type == S_IFCHR || type == S_IFBLK else {
                throw .invalid(field: "devices", reason: "found \(device.hostPath), expected a character or block device")
            }
            let mode = facts.st_mode & 0o777
            guard !hasOwnIDs || mode & 0o006 == 0o006 else {
                throw .unenforceable(
                    "device \(device.hostPath) has mode \(String(mode, radix: 8)): a task in a user namespace opens only what others may "
                        + "read and write; let a udev rule set MODE=\"0666\"")
            }
        }
    }
}
