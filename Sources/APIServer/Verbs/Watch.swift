// The verb watch: which events are asked for, and from where. The running watch is a WatchSession; its lines are made by a
// WatchFramer.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    func watch(_ call: APICall) throws(StatusError) -> APIWatch {
        let form = try Representation(accept: call.request.accept, includeObject: call.request.query("includeObject"))
        let session = try watchSession(call)
        return APIWatch(session: session, framer: WatchFramer(kind: call.kind, representation: form, now: now))
    }

    func watchSession(_ call: APICall) throws(StatusError) -> WatchSession {
        let parameters = try ListParameters(call, isWatch: true)
        var timeout = WatchSession.maximumDuration
        if let text = call.request.query("timeoutSeconds"), !text.isEmpty {
            guard let seconds = Int64(text) else { throw ListParameters.notNumber("timeoutSeconds", text) }
            if seconds > 0 { timeout = min(timeout, .seconds(seconds)) }
        }
        let wantsBookmarks = call.request.flag("allowWatchBookmarks")
        // No revision, or "any", or the initial events asked for: the present state first, as additions.
        var from = parameters.revision == 0 ? nil : parameters.revision
        switch parameters.sendsInitialEvents {
        case true?:
            try checkReached(from)
            from = nil
        case false? where from == nil: from = store.revision
        case false?, nil: break
        }
        do {
            let watch = try store.watch(
                call.kind.collection, namespace: call.route.namespace, selector: parameters.selector, from: from)
            return WatchSession(
                watch, timeout: timeout, wantsBookmarks: wantsBookmarks,
                owesInitialEnd: parameters.sendsInitialEvents == true && wantsBookmarks, timer: watchTimer)
        } catch {
            // Kubernetes tells this in the stream, so that a client handles it in one place.
            guard case .expired(let oldest) = error else { throw .store(error) }
            return WatchSession(refused: .expired("too old resource version: \(from ?? 0) (\(oldest))"), timer: watchTimer)
        }
    }
}
