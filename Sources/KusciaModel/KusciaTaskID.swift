// The name of a job's task: one rule for whoever checks jobs, makes tasks or looks for them.

public enum KusciaTaskID {
    /// Name of a template's KusciaTask: its taskID, else made of job and alias, which may have letters that a name must not have.
    public static func of(taskID: String?, alias: String, job: String) -> String {
        if let taskID, !taskID.isEmpty { return taskID }
        let letters = alias.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        return "\(job)-\(String(letters))"
    }
}
