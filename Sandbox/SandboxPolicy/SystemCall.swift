// The numbers in a task's evidence, by name.

public enum SystemCall {
    /// "250" -> "keyctl", by this machine's own table; a number without a name stays as it is.
    public static func name(_ number: String) -> String { UInt32(number).flatMap(SystemCallName.name) ?? number }
}
