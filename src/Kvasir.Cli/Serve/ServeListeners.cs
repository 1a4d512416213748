using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Kvasir.Cli.Shared;
using Kvasir.Ground;
using Kvasir.Kernels.Files;
using Kvasir.Server;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Kvasir.Cli.Serve;

/// <summary>Where <c>kvasir serve</c> listens: on this machine alone unless it is told otherwise, and on no network without keys.</summary>
internal static class ServeListeners
{
    /// <exception cref="KvasirException">The address is none, or is one of the network while there are no keys.</exception>
    public static void Check(TypedCommand typed)
    {
        if (typed.Find(ServeFlags.Host) is not { } host || typed.Find(ServeFlags.Keys) is not null || typed.Is(ServeFlags.Insecure))
            return;
        if (!IPAddress.IsLoopback(Address(host)))
            throw new KvasirException(
                KvasirError.BadOption,
                $"{host} is reached from other machines, and there are no keys: give {ServeFlags.Keys.Name}, or {ServeFlags.Insecure.Name}");
    }

    public static void Add(KestrelServerOptions kestrel, TypedCommand typed)
    {
        kestrel.UseKvasirLimits();
        var host = typed.Find(ServeFlags.Host);
        Listen(kestrel, host, typed.Get(ServeFlags.Port), HttpProtocols.Http1AndHttp2);
        if (typed.FindValue(ServeFlags.OllamaPort) is { } ollama)
            Listen(kestrel, host, ollama, HttpProtocols.Http1AndHttp2);
        if (typed.FindValue(ServeFlags.ClearHttp2Port) is { } clear)
            Listen(kestrel, host, clear, HttpProtocols.Http2);
        if (typed.Find(ServeFlags.Socket) is { } socket)
            kestrel.ListenUnixSocket(Path.GetFullPath(socket));
    }

    /// <summary>Clears away the socket that a server has left behind which did not end by itself.</summary>
    /// <exception cref="KvasirException">Something else is there, or a server that answers.</exception>
    public static void ClearSocket(string path)
    {
        if (!File.Exists(path))
            return;
        if (IsAnswered(path))
            throw new KvasirException(KvasirError.BadOption, $"a server listens at {path} already");
        // Where the system does not say what it is, a socket has no length.
        if (FileKinds.Of(path) is not (FileKind.Socket or FileKind.Unknown)
            || (File.GetAttributes(path) & (FileAttributes.Directory | FileAttributes.ReparsePoint)) != 0 || new FileInfo(path).Length > 0)
            throw new KvasirException(KvasirError.BadOption, $"{path} is there, and is no socket");
        File.Delete(path);
    }

    /// <summary>
    /// How bytes come and go. What is written is sent by the thread that wrote it, which for frames of a stream is one for all streams: another thread would be
    /// woken for every step. Nothing that reads requests blocks that thread, or this were not safe.
    /// </summary>
    public static void Configure(SocketTransportOptions sockets) => (sockets.CreateBoundListenSocket, sockets.UnsafePreferInlineScheduling) = (Bind, true);

    /// <summary>
    /// Takes an address. A socket of the file system is this user's alone, and is so before anybody can connect: what does not listen yet refuses whoever
    /// tries.
    /// </summary>
    public static Socket Bind(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        try
        {
            if (endpoint is UnixDomainSocketEndPoint && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(endpoint.ToString()!, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool IsAnswered(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static void Listen(KestrelServerOptions kestrel, string? host, int port, HttpProtocols protocols)
    {
        if (host is not null)
            kestrel.Listen(Address(host), port, endpoint => endpoint.Protocols = protocols);
        else if (port > 0)
            kestrel.ListenLocalhost(port, endpoint => endpoint.Protocols = protocols);
        else
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.Protocols = protocols);
    }

    private static IPAddress Address(string host) => host switch
    {
        "localhost" => IPAddress.Loopback,
        "*" => IPAddress.Any,
        _ => IPAddress.TryParse(host.Trim('[', ']'), out var address)
            ? address
            : throw new KvasirException(
                KvasirError.BadOption, $"{ServeFlags.Host.Name} is '{host}'; an address such as 127.0.0.1, 0.0.0.0 or [::] is wanted"),
    };
}
