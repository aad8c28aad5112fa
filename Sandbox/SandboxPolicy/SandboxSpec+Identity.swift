// Which ids stand behind the task's: a private range, maps that were asked for, or what an ordinary user has.

extension SandboxSpec {
    /// The user namespace's maps; empty: no user namespace.
    var userMaps: (uid: [IDMap], gid: [IDMap]) {
        if !uidMaps.isEmpty, !gidMaps.isEmpty { return (uidMaps, gidMaps) }
        switch rootless {
        case .singleID(let hostUID, let hostGID):
            return ([IDMap(inside: uid, host: hostUID, count: 1)], [IDMap(inside: gid, host: hostGID, count: 1)])
        case .subordinateIDs(let hostUID, let hostGID, let uidStart, let uidCount, let gidStart, let gidCount, _, _):
            // The user is root inside: what a bind holds of his own files belongs to the task's root.
            return (
                [IDMap(inside: 0, host: hostUID, count: 1), IDMap(inside: 1, host: uidStart, count: uidCount)],
                [IDMap(inside: 0, host: hostGID, count: 1), IDMap(inside: 1, host: gidStart, count: gidCount)]
            )
        case nil:
            guard let start = idRangeStart else { return ([], []) }
            let map = [IDMap(inside: 0, host: start, count: Self.idRangeCount)]
            return (map, map)
        }
    }

    /// Ids of the task's root, as the launcher sees them while it makes files for it: those of the host, or, where it works
    /// inside the user namespace, those inside. Without a root inside its lowest id.
    var rootIDs: (uid: UInt32, gid: UInt32) {
        let maps = userMaps
        func id(_ maps: [IDMap]) -> UInt32 {
            guard let lowest = maps.min(by: { $0.inside < $1.inside }) else { return 0 }
            return rootless == nil ? lowest.host : lowest.inside
        }
        return (id(maps.uid), id(maps.gid))
    }

    var idMapOperations: [LaunchOperation] {
        let maps = userMaps
        guard !maps.uid.isEmpty else { return [] }
        var operations: [LaunchOperation] = maps.uid.map { .uidMap(inside: $0.inside, host: $0.host, count: $0.count) }
        operations += maps.gid.map { .gidMap(inside: $0.inside, host: $0.host, count: $0.count) }
        let root = rootIDs
        operations.append(.owner(uid: root.uid, gid: root.gid))
        switch rootless {
        case .singleID: operations.append(.rootless(.direct))
        case .subordinateIDs(_, _, _, _, _, _, let newuidmap, let newgidmap):
            operations.append(.rootless(.helpers(newuidmap: newuidmap, newgidmap: newgidmap)))
        case nil: break
        }
        return operations
    }
}
