// One page of a collection.

extension ObjectTable {
    func list(_ request: ListRequest, revision: UInt64) -> ListResult {
        let listRevision = request.continueAfter?.revision ?? revision
        let range = self.range(of: request)
        let limit = request.limit.flatMap { $0 > 0 ? $0 : nil } ?? Int.max
        var page: [StoredObject] = []
        if limit == Int.max, request.selector.isEverything { page.reserveCapacity(range.count) }
        for index in range {
            let object = objects[index]
            guard request.selector.isEverything || request.selector.matches(object.index) else { continue }
            if page.count == limit {
                // There is at least one more: the page ends before it.
                let last = page[page.count - 1].key
                return ListResult(
                    objects: page, revision: listRevision,
                    continuation: ListContinuation(revision: listRevision, namespace: last.namespace, name: last.name),
                    remaining: request.selector.isEverything ? range.upperBound - index : nil)
            }
            page.append(object)
        }
        return ListResult(objects: page, revision: listRevision, continuation: nil, remaining: nil)
    }

    private func range(of request: ListRequest) -> Range<Int> {
        var start = 0
        var end = objects.count
        if let namespace = request.namespace {
            start = lowerBound(namespace: namespace, name: "")
            // "\0" follows the name directly and no namespace contains it.
            end = lowerBound(namespace: namespace + "\0", name: "")
        }
        if let after = request.continueAfter {
            start = max(start, lowerBound(namespace: after.namespace, name: after.name + "\0"))
        }
        return start..<max(start, end)
    }
}
