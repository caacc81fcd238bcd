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
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2")
    ],
    targets: [
        // Row 0: pure, importing nothing of ours.
        .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "Bytes", dependencies: ["CLZ4"], swiftSettings: settings),
        .target(name: "RaftCore", swiftSettings: settings),

        // Row 1.
        .target(name: "SessionMachine", dependencies: ["Bytes"], swiftSettings: settings),

        // Row 2.
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

        .testTarget(
            name: "PeerWireTests",
            dependencies: ["PeerWire"],
            swiftSettings: settings
        ),
        .testTarget(name: "RaftCoreTests", dependencies: ["RaftCore"], swiftSettings: settings),
        .testTarget(name: "BytesTests", dependencies: ["Bytes"], swiftSettings: settings),
    ]
)
