// One page of a collection.

extension ObjectTable {
    func list(_ request: ListRequest, revision: UInt64) -> ListResult {
        let listRevision = request.continueAfter?.revision ?? revision
        let (first, last) = range(of: request)
        let limit = request.limit.flatMap { $0 > 0 ? $0 : nil } ?? Int.max
        var page: [StoredObject] = []
        if limit == Int.max, request.selector.isEverything { page.reserveCapacity(distance(from: first, to: last)) }
        var place = first
        while place < last {
            defer { place = self.place(after: place) }
            let object = self[place]
            guard request.selector.isEverything || request.selector.matches(object.index) else { continue }
            if page.count == limit {
                // There is at least one more: the page ends before it.
                let final = page[page.count - 1].key
                return ListResult(
                    objects: page, revision: listRevision,
                    continuation: ListContinuation(revision: listRevision, namespace: final.namespace, name: final.name),
                    remaining: request.selector.isEverything ? distance(from: place, to: last) : nil)
            }
            page.append(object)
        }
        return ListResult(objects: page, revision: listRevision, continuation: nil, remaining: nil)
    }

    private func range(of request: ListRequest) -> (first: Place, last: Place) {
        var first = start
        var last = end
        if let namespace = request.namespace {
            if let term = request.selector.requiring, term.field == "metadata.name" {
                // At most one object. "\0" follows a name directly, and no name contains it.
                first = lowerBound(namespace: namespace, name: term.value)
                last = lowerBound(namespace: namespace, name: term.value + "\0")
            } else {
                first = lowerBound(namespace: namespace, name: "")
                last = lowerBound(namespace: namespace + "\0", name: "")
            }
        }
        if let after = request.continueAfter {
            first = max(first, lowerBound(namespace: after.namespace, name: after.name + "\0"))
        }
        return (first, last)
    }
}
