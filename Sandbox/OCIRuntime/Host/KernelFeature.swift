// What this kernel has, where the answer changes what is refused.

enum KernelFeature {
    static var hasAppArmor: Bool { HostFile.exists("/sys/kernel/security/apparmor") || HostFile.exists("/sys/module/apparmor") }
}
