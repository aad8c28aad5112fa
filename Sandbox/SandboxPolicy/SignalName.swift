// Signal names and numbers as users, images and pods write them: TERM, SIGTERM, 15, SIGRTMIN+3 (signal(7)).

public enum SignalName {
    private static let names: [String: Int32] = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
        "SEGV": 11,
        "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20,
        "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29,
        "PWR": 30, "SYS": 31, "UNUSED": 31, "RTMIN": 34, "RTMAX": 64,
    ]

    /// What may ask a program to stop: 1 to 64 without 32 and 33, which every libc keeps to itself; nil when it is none.
    public static func stopping(_ text: String) -> Int32? {
        number(text).flatMap { $0 > 0 && $0 != 32 && $0 != 33 ? $0 : nil }
    }

    /// 0 to 64 (0 is no signal: it asks whether somebody is there); nil when it is none.
    public static func number(_ text: String) -> Int32? {
        if let number = Int32(text) { return (0...64).contains(number) ? number : nil }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        if let number = names[name] { return number }
        for (base, sign) in [("RTMIN+", Int32(1)), ("RTMAX-", -1)] where name.hasPrefix(base) {
            if let offset = Int32(name.dropFirst(6)), (0...30).contains(offset) { return (sign > 0 ? 34 : 64) + sign * offset }
        }
        return nil
    }
}
