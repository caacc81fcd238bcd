// The node's three ports. They are bound before the data directory is touched, so that a second
// node by mistake writes nothing; connections are accepted once the reactors run.

import Glibc
import NIOCore
import NIOPosix

struct Ports {
    private let cluster: NIOBSDSocket.Handle
    private let standalone: NIOBSDSocket.Handle
    private let peer: NIOBSDSocket.Handle

    static func bind(_ node: NodeConfiguration) async throws(StartError) -> Ports {
        var bound: [CInt] = []
        for (name, port) in [
            ("cluster-port", node.clusterPort), ("standalone-port", node.standalonePort),
            ("peer-port", node.peerPort),
        ] {
            do {
                bound.append(try bind(host: node.host, port: port))
            } catch {
                for socket in bound { Glibc.close(socket) }
                throw .reason(
                    .unavailable(
                        "\(node.name): \(name) \(node.host):\(port) cannot be used: \(error.text). "
                            + "Stop what uses it, or change the port in the configuration."
                    )
                )
            }
        }
        return Ports(cluster: bound[0], standalone: bound[1], peer: bound[2])
    }

    private struct BindError: Error { var text: String }

    private static func bind(host: String, port: Int) throws(BindError) -> CInt {
        let address: SocketAddress
        do {
            address = try SocketAddress.makeAddressResolvingHost(host, port: port)
        } catch {
            throw BindError(text: "the host has no address")
        }
        let family: CInt = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let handle = socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard handle >= 0 else { throw BindError(text: reason(errno)) }
        var one: CInt = 1
        setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        let result = address.withSockAddr { pointer, length in
            Glibc.bind(handle, pointer, socklen_t(length))
        }
        guard result == 0 else {
            let code = errno
            Glibc.close(handle)
            throw BindError(text: reason(code))
        }
        return handle
    }

    private static func reason(_ code: CInt) -> String {
        code == EADDRINUSE ? "it is in use" : String(cString: strerror(code))
    }

    func close() async {
        for socket in [cluster, standalone, peer] { Glibc.close(socket) }
    }

    /// Starts accepting.
    func listen(
        _ reactors: [Reactor],
        _ loops: MultiThreadedEventLoopGroup
    ) async throws(StartError) -> [any Channel] {
        do {
            return [
                try await listen(loops, cluster, autoRead: false) {
                    ClientHandler(reactor: owner(of: $0, reactors), port: .cluster)
                },
                try await listen(loops, standalone, autoRead: false) {
                    ClientHandler(reactor: owner(of: $0, reactors), port: .standalone)
                },
                try await listen(loops, peer, autoRead: true) {
                    PeerHandler(reactor: owner(of: $0, reactors), openedBy: .peer)
                },
            ]
        } catch {
            throw .reason(.unavailable("listening failed: \(error)"))
        }
    }

    private func listen(
        _ loops: MultiThreadedEventLoopGroup,
        _ socket: NIOBSDSocket.Handle,
        autoRead: Bool,
        _ handler: @escaping @Sendable (any EventLoop) -> any ChannelHandler
    ) async throws -> any Channel {
        guard Glibc.listen(socket, 1_024) == 0 else {
            throw BindError(text: Self.reason(errno))
        }
        return try await ServerBootstrap(group: loops)
            .serverChannelOption(.backlog, value: 1_024)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: 256 * 1024, high: 1024 * 1024)
            )
            // A client is read when its connection has room, and asks for each read.
            .childChannelOption(.autoRead, value: autoRead)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler(channel.eventLoop))
                }
            }
            .withBoundSocket(socket)
            .get()
    }
}

/// The reactor of a loop.
private func owner(of loop: any EventLoop, _ reactors: [Reactor]) -> Reactor {
    // Every loop of the group has exactly one reactor.
    reactors.first { $0.loop === loop } ?? reactors[0]
}
