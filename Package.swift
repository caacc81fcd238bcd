// swift-tools-version: 6.2
import PackageDescription

/// What every target is built with. Warnings are errors: the tree has none.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "holdfast",
    products: [
        // For tests alone: a disk that goes wrong.
        .library(name: "DiskFaults", type: .dynamic, targets: ["DiskFaults"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git",
            exact: "2.13.0"
        ),
    ],
    targets: [
        // Row 0: pure, importing nothing of ours.
        .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "CLogStore", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(name: "CChecksum"),
        .target(name: "Bytes", dependencies: ["CChecksum", "CLZ4"], swiftSettings: settings),
        .target(name: "RaftCore", swiftSettings: settings),
        .target(name: "Checkers", swiftSettings: settings),

        // Row 1.
        .target(
            name: "Sealing",
            dependencies: ["Bytes", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings
        ),
        .target(name: "SessionMachine", dependencies: ["Bytes"], swiftSettings: settings),

        .target(
            name: "HoldfastWire",
            dependencies: [.product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),

        // Row 2.
        .target(
            name: "LogStore",
            dependencies: [
                "Bytes", "CLogStore", "RaftCore", "Sealing",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "Commands",
            dependencies: ["HoldfastWire", "SessionMachine"],
            swiftSettings: settings
        ),
        .target(
            name: "Replica",
            dependencies: ["Bytes", "RaftCore", "SessionMachine"],
            swiftSettings: settings
        ),
        .target(
            name: "PeerWire",
            dependencies: [
                "Bytes", "RaftCore", .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),

        // Row 3.
        .target(
            name: "HoldfastServer",
            dependencies: [
                "Bytes", "Commands", "HoldfastWire", "LogStore", "PeerWire", "RaftCore", "Replica",
                "Sealing", "SessionMachine",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "HoldfastClient",
            dependencies: [
                "HoldfastWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),

        .target(
            name: "Simulation",
            dependencies: [
                "Bytes", "Checkers", "PeerWire", "RaftCore", "Replica", "SessionMachine",
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),

        // Row 4: argument parsing only.
        .executableTarget(
            name: "holdfastd",
            dependencies: [
                "HoldfastServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "holdfast",
            dependencies: [
                "HoldfastClient", "HoldfastServer", "RaftCore", "Sealing",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "simulate",
            dependencies: [
                "Simulation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),

        // Preloaded into nodes under test.
        .target(name: "DiskFaults", path: "Tests/DiskFaults"),

        // What several test targets use; no product depends on it.
        .target(
            name: "TestKit",
            dependencies: ["RaftCore"],
            path: "Tests/TestKit",
            swiftSettings: settings
        ),
        .testTarget(
            name: "HoldfastServerTests",
            dependencies: [
                "Commands", "HoldfastServer", "HoldfastWire", "LogStore", "PeerWire", "RaftCore",
                "Replica", "Sealing", "SessionMachine",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "HoldfastClient", "HoldfastServer", "RaftCore", "Sealing", "holdfast",
                "holdfastd",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "HoldfastClientTests",
            dependencies: [
                "HoldfastClient", "HoldfastWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "HoldfastWireTests",
            dependencies: [
                "HoldfastWire", .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CommandsTests",
            dependencies: ["Commands", "HoldfastWire", "SessionMachine"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LogStoreTests",
            dependencies: [
                "Bytes", "LogStore", "RaftCore", "Sealing", "TestKit",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SealingTests",
            dependencies: [
                "Bytes", "Sealing", "TestKit", .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "PeerWireTests",
            dependencies: ["PeerWire"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SessionMachineTests",
            dependencies: ["Bytes", "SessionMachine", "TestKit"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ReplicaTests",
            dependencies: ["Bytes", "RaftCore", "Replica", "SessionMachine", "TestKit"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RaftCoreTests",
            dependencies: ["RaftCore", "TestKit"],
            exclude: ["Transcripts"],
            swiftSettings: settings
        ),
        .testTarget(name: "CheckersTests", dependencies: ["Checkers"], swiftSettings: settings),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "Bytes", "Checkers", "PeerWire", "RaftCore", "Replica", "SessionMachine",
                "Simulation",
            ],
            exclude: ["failed-seeds.txt"],
            swiftSettings: settings
        ),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: settings),
    ]
)

/// With HOLDFAST_PURE=1 the package is its pure modules, their tests and the simulator alone, which
/// build in a fraction of the time: `scripts/mutate` builds them once for each planted bug.
if Context.environment["HOLDFAST_PURE"] == "1" {
    let pure: Set = [
        "CChecksum", "CLZ4", "Bytes", "RaftCore", "SessionMachine", "Replica", "PeerWire",
        "Checkers", "Simulation", "simulate", "TestKit", "BytesTests", "RaftCoreTests",
        "SessionMachineTests", "ReplicaTests", "PeerWireTests", "CheckersTests", "SimulationTests",
    ]
    package.products = []
    package.targets.removeAll { !pure.contains($0.name) }
    package.dependencies.removeAll { dependency in
        guard case .sourceControl(_, let location, _) = dependency.kind else { return false }
        return !["swift-nio.git", "swift-argument-parser.git"].contains { location.hasSuffix($0) }
    }
}
