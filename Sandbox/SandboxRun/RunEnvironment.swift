// The task's environment: clean, but for what programs cannot do without and what was asked for. Case is kept, the last
// setting of a name wins.

enum RunEnvironment {
    static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    /// Of the caller's, without being asked: how text is to look.
    private static let presentation = ["LANG", "LC_ALL", "TERM", "TZ"]

    static func variables(_ options: RunOptions, caller: [String: String]) -> [String] {
        var settings: [RunSetting] = [RunSetting(name: "PATH", value: path), RunSetting(name: "HOME", value: "/tmp")]
        func take(_ name: String) { if let value = caller[name] { settings.append(RunSetting(name: name, value: value)) } }
        (options.inheritEnvironment ? caller.keys.sorted() : presentation).forEach(take)
        options.inheritedEnvironment.forEach(take)
        settings += options.environment
        var seen: Set<String> = []
        return settings.reversed().filter { seen.insert($0.name).inserted }.reversed().map { "\($0.name)=\($0.value)" }
    }
}
