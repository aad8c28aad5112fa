// The set-uid programs that map more ids than an ordinary user's own.

import Glibc

enum IDMapHelpers {
    static func find() -> (newuidmap: String, newgidmap: String)? {
        if geteuid() == 0 { return nil }
        for directory in ["/usr/bin", "/bin", "/usr/local/bin"]
        where access("\(directory)/newuidmap", X_OK) == 0 && access("\(directory)/newgidmap", X_OK) == 0 {
            return ("\(directory)/newuidmap", "\(directory)/newgidmap")
        }
        return nil
    }
}
