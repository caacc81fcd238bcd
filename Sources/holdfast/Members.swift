// `holdfast members`: who takes part, and changing it while the cluster runs.

import ArgumentParser
import Glibc
import HoldfastServer
import RaftCore

struct Members: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the members of a running cluster, adds, removes and replaces them.",
        discussion: """
            All changes may be run again after an interruption: they go on where they were.

            Exit codes: 0 done (with --no-wait: begun), 1 refused, or no group has taken the \
            command, 64 wrong arguments, 75 still under way (nothing has moved for a minute, or \
            with --no-wait some groups have not taken it): run it again, 78 a mistake in the \
            configuration.
            """,
        subcommands: [MembersList.self, MembersAdd.self, MembersRemove.self, MembersReplace.self]
    )
}

struct MembersAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Makes a node a member of all groups.",
        discussion: """
            The configuration must name the node, which must run: 'holdfastd --join'. It first \
            gets the data and then a vote. Its id must be higher than any that the cluster ever had.
            """
    )

    @OptionGroup var change: ChangeOptions

    @Option(help: "The node's name in the configuration.")
    var node: String

    @Flag(help: "It gets the data and no vote.")
    var learner = false

    func run() async throws {
        let configuration = change.cluster.load()
        let added = find(node, in: configuration)
        try await change.drive(
            configuration,
            to: learner ? .learner(added) : .voter(added),
            "\(node) \(learner ? "is a learner" : "votes")"
        )
    }
}

struct MembersRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Takes a node out of all groups.",
        discussion: """
            The node may be up or lost. It can be stopped when this is done, and can come back \
            under a new id only.
            """
    )

    @OptionGroup var change: ChangeOptions

    @Option(help: "The node's name in the configuration, or its id.")
    var node: String

    func run() async throws {
        let configuration = change.cluster.load()
        let id = UInt64(node).map { NodeID($0) } ?? find(node, in: configuration).id
        try await change.drive(configuration, to: .absent(id), "\(node) is no member")
    }
}

struct MembersReplace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace",
        abstract: "Puts a new node in the place of another, in one step for each group.",
        discussion: "As 'add' for the new node and 'remove' for the old one."
    )

    @OptionGroup var change: ChangeOptions

    @Option(help: "The old node's name in the configuration, or its id.")
    var node: String

    @Option(help: "The new node's name in the configuration.")
    var by: String

    func run() async throws {
        let configuration = change.cluster.load()
        let old = UInt64(node).map { NodeID($0) } ?? find(node, in: configuration).id
        let new = find(by, in: configuration)
        guard old != new.id else {
            fatal(.usage("a node cannot replace itself; a new id is needed"), as: "holdfast")
        }
        try await change.drive(
            configuration,
            to: .replaced(old, by: new),
            "\(by) votes in the place of \(node)"
        )
    }
}

private func find(_ name: String, in configuration: ClusterConfiguration) -> NodeConfiguration {
    guard let node = configuration.node(named: name) else {
        let names = configuration.nodes.map(\.name).joined(separator: ", ")
        fatal(
            .usage("no node '\(name)' in the configuration; it has \(names)"),
            as: "holdfast"
        )
    }
    return node
}

/// What all changes are told, and how they are carried out.
struct ChangeOptions: ParsableArguments {
    @OptionGroup var cluster: ClusterOptions

    @Flag(inversion: .prefixedNo, help: "Waits until it is done.")
    var wait = true

    @Flag(
        help: """
            Removes a node even where this command reaches too few of the voters that are left. \
            The leader still refuses where it hears too few of them itself.
            """
    )
    var force = false

    /// Without `--wait`: looks a few times, so that a leader that has just begun is asked again.
    private static let looksWithoutWait = 5
    private static let idleMax = Duration.seconds(60)

    fileprivate func drive(
        _ configuration: ClusterConfiguration,
        to goal: MembershipGoal,
        _ result: String
    ) async throws {
        var driver = MembershipDriver(
            configuration,
            goal: goal,
            safety: force ? .forced : .checked
        )
        var course = MembershipCourse(
            wait ? .untilIdle(Self.idleMax) : .looks(Self.looksWithoutWait),
            at: .now
        )
        var line = ProgressLine()
        while true {
            let progress = await driver.step()
            line.show(progress.summary)
            let verdict = course.take(progress, at: .now)
            if case .goOn = verdict {
                // The pause between two looks at the nodes; the course bounds their number.
                try await Task.sleep(for: .milliseconds(200))
                continue
            }
            line.end()
            return try conclude(verdict, "\(result) in all \(progress.count) groups")
        }
    }

    private func conclude(_ verdict: MembershipCourse.Verdict, _ result: String) throws {
        switch verdict {
        case .goOn: break
        case .done: print("done: \(result)")
        case .begun: print("begun; 'holdfast members list' shows how far it is")
        case .partlyBegun:
            complain("not all groups have taken the command; run it again")
            throw ExitCode(75)
        case .refused(let group, let text):
            complain("group \(group): \(text)")
            throw ExitCode(1)
        case .notBegun:
            complain("no group has taken the command; look at 'holdfast status', then run it again")
            throw ExitCode(1)
        case .stuck:
            complain("nothing has moved for a minute; look at 'holdfast status', then run it again")
            throw ExitCode(75)
        }
    }
}

/// One line that is written over on a terminal; elsewhere a line each time that it changes.
private struct ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown = ""

    mutating func show(_ text: String) {
        guard text != shown else { return }
        write(isTerminal ? "\r\u{1b}[K" + text : text + "\n")
        shown = text
    }

    mutating func end() {
        if isTerminal, !shown.isEmpty { write("\n") }
        shown = ""
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        // There is nobody to tell if standard error is closed.
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
