// Patterns as Redis reads them.

import Commands
import Testing

@Suite("Patterns")
struct GlobTests {
    @Test(
        arguments: [
            ("*", "", true), ("*", "abc", true), ("a*", "abc", true), ("a*", "bc", false),
            ("*c", "abc", true), ("a*c", "abbc", true), ("a*b*c", "axbxxc", true),
            ("a?c", "abc", true), ("a?c", "ac", false), ("[abc]", "b", true),
            ("[a-c]", "b", true), ("[^a-c]", "b", false), ("[^a]", "b", true),
            ("\\*", "*", true), ("\\*", "a", false), ("", "", true), ("", "a", false),
            ("[a", "a", true), ("a**b", "ab", true), ("session:*:x", "session:1:x", true),
        ]
    )
    func matches(pattern: String, text: String, isMatch: Bool) {
        #expect(GlobPattern(pattern.utf8).matches(Array(text.utf8)) == isMatch)
    }

    @Test("many stars take no more than pattern times text")
    func noBlowUp() {
        let pattern = String(repeating: "a*", count: 200) + "b"
        let text = Array(String(repeating: "a", count: 5_000).utf8)
        #expect(!GlobPattern(pattern.utf8).matches(text))
    }

    @Test func ignoresCase() {
        #expect(GlobPattern("SAVE".utf8, ignoringCase: true).matches(Array("save".utf8)))
        #expect(!GlobPattern("SAVE".utf8).matches(Array("save".utf8)))
    }
}
