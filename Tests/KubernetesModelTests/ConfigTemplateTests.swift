// Kuscia's template language as a table.
import Testing

@testable import KusciaModel

@Suite("config templates")
struct ConfigTemplateTests {
    static let values = ConfigTemplateValues([
        "TASK_ID": "job-psi",
        "INPUT":
            #"{"a":{"b":[10,{"c":"x\"y"}]},"flag":true,"idx":1,"key":"b","list":[{"name":"alice","port":1},{"name":"bob","port":2}]}"#,
        "PLAIN": "not json",
        "lower": "found",
        "QUOTES": "say \"hi\"\n\\done",
    ])

    @Test(
        "a template gives this text",
        arguments: [
            ("no placeholders at all", "no placeholders at all"),
            ("{{.TASK_ID}}", "job-psi"),
            (#"{"id":"{{.TASK_ID}}","again":"{{ .TASK_ID }}"}"#, #"{"id":"job-psi","again":"job-psi"}"#),
            (#""{{.QUOTES}}""#, #""say \"hi\"\n\\done""#),
            ("[{{.MISSING}}]", "[]"),
            ("{{.LOWER}}", "found"),
            ("{{{.INPUT.flag}}}", "true"),
            ("{{{.INPUT.a.b[0]}}}", "10"),
            ("{{{.INPUT.a.b[1].c}}}", #"x\"y"#),
            ("{{{.INPUT.a.b[7]}}}", ""),
            ("{{{.INPUT.none.b}}}", ""),
            ("{{{.NOTHING.a}}}", ""),
            ("{{{.INPUT.list[name=bob].port}}}", "2"),
            ("{{{.INPUT.list[port=1].name}}}", "alice"),
            ("{{{.INPUT.list[name=carol].port}}}", ""),
            ("{{{.INPUT.list[.INPUT.idx].name}}}", "bob"),
            ("{{{.INPUT.a[.INPUT.key][0]}}}", "10"),
            ("{{{.INPUT.list[0]}}}", #"{"name":"alice","port":1}"#),
            (#""{{{.INPUT.list[0]}}}""#, #""{\"name\":\"alice\",\"port\":1}""#),
            ("{{{.TASK_ID}}}", "job-psi"),
            ("{ {.A} }", "{ {.A} }"),
        ])
    func renders(_ template: String, _ expected: String) throws {
        #expect(try ConfigTemplate(file: "f", text: template).render(Self.values) == expected)
    }

    @Test(
        "a wrong template is named by file, line and expression",
        arguments: [
            ("a\nb {{TASK_ID}}", 2, "{{TASK_ID}}"), ("{{.TASK_ID", 1, "{{.TASK_ID"), ("{{{.A.b}}", 1, "{{{.A.b}}"),
            ("\n\n{{.}}", 3, "{{.}}"),
            ("{{.A.b}}", 1, "{{.A.b}}"), ("{{{.INPUT.list[x]}}}", 1, "{{{.INPUT.list[x]}}}"),
            ("{{{.INPUT.list[0}}}", 1, "{{{.INPUT.list[0}}}"), ("{{{.PLAIN.a}}}", 1, "{{{.PLAIN.a}}}"),
            ("{{{.INPUT..a}}}", 1, "{{{.INPUT..a}}}"), ("{{.A B}}", 1, "{{.A B}}"),
        ])
    func refuses(_ template: String, _ line: Int, _ expression: String) {
        let error = #expect(throws: ConfigTemplateError.self) {
            try ConfigTemplate(file: "task.conf", text: template).render(Self.values)
        }
        #expect(error?.file == "task.conf")
        #expect(error?.line == line)
        #expect(error?.expression == expression)
    }

    @Test("the order in which values are merged decides")
    func merging() {
        var values = ConfigTemplateValues(["A": "1", "B": "1"])
        values.merge(["a": "2"])
        #expect(values["A"] == "2")
        #expect(values["b"] == "1")
    }
}
