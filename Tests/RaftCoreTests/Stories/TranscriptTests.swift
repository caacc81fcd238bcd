// The stories in `../Transcripts` are true. One a bug of the past or a race of the literature: to
// be read by people, and checked line by line.

import Foundation
import Testing

@Suite("Transcripts")
struct TranscriptTests {
    private static let directory = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Transcripts")

    private static let stories: [String] = {
        let files = try? FileManager.default.contentsOfDirectory(atPath: directory.path)
        return (files ?? []).filter { $0.hasSuffix(".txt") }.sorted()
    }()

    private static var isRewriting: Bool {
        ProcessInfo.processInfo.environment["HOLDFAST_REWRITE_TRANSCRIPTS"] == "1"
    }

    @Test("a story happens as it is told", arguments: stories)
    func story(name: String) throws {
        let file = Self.directory.appendingPathComponent(name)
        let told = try String(contentsOf: file, encoding: .utf8)
        let happened = try Story.retold(told)
        if Self.isRewriting {
            try happened.write(to: file, atomically: true, encoding: .utf8)
        } else if let difference = Self.difference(told, happened) {
            Issue.record("\(name) is not what happens:\n\(difference)")
        }
        #expect(!happened.contains("BROKEN:"))
    }

    @Test("there are stories, and each of them has commands and outcomes")
    func thereAreStories() throws {
        #expect(Self.stories.count >= 23)
        for name in Self.stories {
            let file = Self.directory.appendingPathComponent(name)
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            #expect(lines.first?.hasPrefix("# ") == true, "\(name) opens with what it is about")
            #expect(lines.count { $0.hasPrefix("> ") } >= 5, "\(name)")
            #expect(lines.count { $0.hasPrefix("  ") } >= 10, "\(name)")
        }
    }

    @Test("every bug that was found on the way has a story, and each story is there")
    func everyBugHasAStory() throws {
        let document = Self.directory.deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/SIMULATION.md")
        let text = try String(contentsOf: document, encoding: .utf8)
        let table = try #require(text.components(separatedBy: "\n| what was wrong |").last)
        let bugs = table.split(separator: "\n", omittingEmptySubsequences: false).dropFirst(2)
            .prefix { $0.hasPrefix("|") }
        #expect(bugs.count >= 15)
        for bug in bugs {
            let shown = bug.split(separator: "|").last ?? ""
            let names = shown.split(separator: "`").filter { $0.hasSuffix(".txt") }
            #expect(!names.isEmpty, "no story of: \(bug)")
            for name in names { #expect(Self.stories.contains(String(name)), "\(name)") }
        }
    }

    /// The lines that differ, each with its number; nil where none does.
    private static func difference(_ told: String, _ happened: String) -> String? {
        guard told != happened else { return nil }
        let old = told.split(separator: "\n", omittingEmptySubsequences: false)
        let new = happened.split(separator: "\n", omittingEmptySubsequences: false)
        let changes = new.difference(from: old).map { change in
            switch change {
            case .remove(let offset, let line, _): (offset, 0, "- \(offset + 1): \(line)")
            case .insert(let offset, let line, _): (offset, 1, "+ \(offset + 1): \(line)")
            }
        }
        return changes.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2).joined(separator: "\n")
    }

    // MARK: The checker checked

    private static let sample = """
        # Three nodes elect the first.
        > new voters=3
        > elect 1
          1 is leader in term 1
        """

    @Test("a line that did not happen, is missing, or was changed is seen")
    func checkerBites() throws {
        let told = try Story.retold(Self.sample)
        #expect(told.contains("1 is leader in term 1"))
        #expect(Self.difference(told, try Story.retold(told)) == nil)
        var lines = told.split(separator: "\n").map(String.init)
        let place = try #require(lines.firstIndex { $0.hasPrefix("  ") && $0.contains("leader") })
        for change in ["  1 is leader in term 2", nil, "  1 is leader in term 1\n  2 is leader"] {
            var changed = lines
            changed[place] = change ?? changed[place]
            if change == nil { changed.remove(at: place) }
            let text = changed.joined(separator: "\n")
            let difference = Self.difference(text, try Story.retold(text))
            #expect(difference?.isEmpty == false)
        }
        lines.append("> elect 1 2")
        #expect(throws: StoryError.self) { try Story.retold(lines.joined(separator: "\n")) }
    }

    @Test(
        "a command that nobody knows is an error, not silence",
        arguments: [
            "> new voters", "> new votes=3", "> dance 1", "> tick 9", "> tick 1 3", "> cut 1-2",
            "> add 4 somehow", "> sync", "a line of prose", "> deliver 1->7", "> together read 1",
            "> together read 1 and read 2", "> together read 1 and dance 1", "> crash 1 mid-air",
            "> forge 1->2 snapshot 9@1", "> forge 1->2 term 1 snapshot 9",
            "> forge 1->2 term 1 wish 9", "> forge 1->2 term 1 entries 10 after 9@1",
            "> forge 3->1 term 1 lacks 9", "> lose", "> spoil 9",
        ]
    )
    func unknownCommands(command: String) {
        #expect(throws: StoryError.self) { try Story.retold("> new voters=3\n" + command) }
    }

    @Test("the same story is told the same way twice")
    func determinism() throws {
        let story =
            "> new voters=3\n> elect 2\n> propose 2 a b\n> deliver\n> crash 1\n> run 30\n> state"
        let first = try Story.retold(story)
        #expect(first.split(separator: "\n").count > 20)
        #expect(try Story.retold(story) == first)
    }
}
