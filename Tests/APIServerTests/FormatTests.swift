// Tables and metadata-only forms, as kubectl asks for them.
import Testing

@testable import APIServer

struct FormatTests {
    @Test(
        "a selector selects as Kubernetes' does",
        arguments: [
            ("a=1", true), ("a==1", true), ("a=2", false), ("a!=2", true), ("c!=2", true), ("a in (1,2)", true),
            ("a in (2, 3)", false), ("a notin (2)", true), ("c notin (2)", true), ("b", true), ("c", false), ("!c", true),
            ("!b", false), ("a=1,b", true), ("a=1,c", false), ("", true), ("x.io/y = z", true), ("a in (1,2),b", true),
        ])
    func labels(_ text: String, _ matches: Bool) throws {
        #expect(try LabelSelector(parsing: text).matches(["a": "1", "b": "", "x.io/y": "z"]) == matches)
    }

    @Test("a malformed selector is refused", arguments: ["a b", "=1", "a in 1", "a=$", "-a", "a like (b)"])
    func badLabels(_ text: String) {
        #expect(throws: SelectorError.self) { try LabelSelector(parsing: text) }
    }

    @Test(
        "a field selector compares and unescapes",
        arguments: [
            ("spec.nodeName=n", true), ("spec.nodeName!=n", false), ("spec.nodeName=n,status.phase!=Failed", true),
            ("spec.nodeName==m", false), ("note=a\\,b", true), ("missing=", true),
        ])
    func fields(_ text: String, _ matches: Bool) throws {
        let values = ["spec.nodeName": "n", "status.phase": "Running", "note": "a,b"]
        #expect(try FieldSelector(parsing: text).matches { values[$0] ?? "" } == matches)
    }

    @Test(
        "a quantity is kept in Kubernetes' own form",
        arguments: [
            ("1", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1.5", "1500m"), ("2e3", "2e3"), ("0", "0"), ("+1k", "1k"),
            ("-1", "-1"), ("100Ki", "100Ki"), ("007", "7"), ("1000m", "1"), ("0m", "0"),
        ])
    func quantity(_ text: String, _ kept: String) {
        #expect(QuantityForm.canonical(.string(text)).stringValue == kept)
        #expect(QuantityForm.isCanonical(kept) || QuantityForm.canonical(.string(kept)).stringValue == kept)
    }

    @Test(
        "what is no quantity is refused", arguments: ["", "x", "1gb", "Gi", "1 Gi", "--1", "1..2", "0x10", "nan", "inf"])
    func badQuantity(_ text: String) {
        #expect(Schema.quantity.scalarError(.string(text), at: "f") != nil)
    }

    @Test(
        "addresses are told from other texts",
        arguments: [
            ("10.0.0.1", true), ("256.0.0.1", false), ("1.2.3", false), ("01.2.3.4", false), ("::", true), ("::1", true),
            ("2001:db8::ffff", true), ("1:2:3:4:5:6:7:8", true), ("1:2:3:4:5:6:7:8:9", false), ("1::2::3", false),
            ("::ffff:10.0.0.1", true), ("", false), ("host", false), ("12345::", false),
        ])
    func address(_ text: String, _ isValid: Bool) {
        #expect(IPFormat.isValid(text) == isValid)
    }

    @Test(
        "times are read and written",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-21T04:00:00Z", 1_795_233_600), ("2000-02-29T12:00:00.123456Z", 951_825_600),
            ("2026-11-21T05:00:00+01:00", 1_795_233_600), ("1969-12-31T23:59:59Z", -1),
        ] as [(String, Int64)])
    func time(_ text: String, _ seconds: Int64) {
        #expect(RFC3339.seconds(text) == seconds)
        #expect(RFC3339.seconds(RFC3339.text(seconds: seconds)) == seconds)
    }

    @Test(
        "what is no time is not read",
        arguments: ["", "now", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T24:00:00Z"])
    func badTime(_ text: String) {
        #expect(RFC3339.seconds(text) == nil)
    }

    @Test(
        "ages read as kubectl's",
        arguments: [
            (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (10799, "179m"), (10800, "3h"), (12000, "3h20m"),
            (86400, "24h"), (172_800, "2d"), (180_000, "2d2h"), (864_000, "10d"), (94_608_000, "3y"),
        ] as [(Int64, String)])
    func age(_ seconds: Int64, _ text: String) {
        #expect(HumanDuration.text(seconds: seconds) == text)
    }

    @Test("base64 goes both ways", arguments: [[], [1], [1, 2], [1, 2, 3], [255, 254, 253, 252]] as [[UInt8]])
    func base64(_ bytes: [UInt8]) {
        #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }

    @Test(
        "paths are taken apart",
        arguments: [
            ("/api/v1/pods", "", "pods", nil, nil, nil), ("/api/v1/namespaces/a/pods/p/status", "", "pods", "a", "p", "status"),
            ("/api/v1/namespaces/a", "", "namespaces", nil, "a", nil),
            ("/api/v1/namespaces/a/status", "", "namespaces", nil, "a", "status"),
            (
                "/apis/kuscia.secretflow/v1alpha1/namespaces/x/kusciajobs/j%2D1", "kuscia.secretflow", "kusciajobs", "x", "j-1",
                nil
            ),
        ] as [(String, String, String, String?, String?, String?)])
    func route(
        _ path: String, _ group: String, _ resource: String, _ namespace: String?, _ name: String?, _ subresource: String?
    ) {
        guard case .resource(let route)? = RequestRoute(path: path) else {
            Issue.record("\(path) is no resource")
            return
        }
        #expect(route.resource.group == group)
        #expect(route.resource.resource == resource)
        #expect(route.namespace == namespace)
        #expect(route.name == name)
        #expect(route.subresource == subresource)
    }

    @Test(
        "malformed paths are refused",
        arguments: ["", "api", "/api//pods", "/api/v1/../x", "/api/v1/%zz", "/api/v1/a%2Fb", "/%ff"])
    func badRoute(_ path: String) {
        #expect(RequestRoute(path: path) == nil)
    }
}
