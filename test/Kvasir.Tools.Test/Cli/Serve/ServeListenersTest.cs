using System.Net.Sockets;
using Kvasir.Cli.Serve;

namespace Kvasir.Tools.Test.Cli.Serve;

/// <summary>Where <c>kvasir serve</c> listens.</summary>
public sealed class ServeListenersTest
{
    // Other users of the machine have no moment in which they could connect.
    [Fact]
    public void ASocketIsThisUsersAloneBeforeAnybodyCanConnect()
    {
        if (OperatingSystem.IsWindows())
            return;
        var folder = Directory.CreateTempSubdirectory("kvasir-socket-");
        var endpoint = new UnixDomainSocketEndPoint(Path.Combine(folder.FullName, "kvasir.sock"));
        try
        {
            using var listener = ServeListeners.Bind(endpoint);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(endpoint.ToString()));
            using var early = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => early.Connect(endpoint)).SocketErrorCode);
            listener.Listen();
            using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            client.Connect(endpoint);
            Assert.True(client.Connected);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // No length is no sign of a socket: an empty file has none, nor has a device, and root may delete both.
    [Fact]
    public void OnlyASocketThatNobodyAnswersIsClearedAway()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using var folder = new TempFolder();
        foreach (var path in new[] { folder.Write("empty", ""), folder.Write("text", "x") })
        {
            Assert.EndsWith("is there, and is no socket", Assert.Throws<KvasirException>(() => ServeListeners.ClearSocket(path)).Message, StringComparison.Ordinal);
            Assert.True(File.Exists(path));
        }

        var left = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.sock");
        using (var listener = ServeListeners.Bind(new UnixDomainSocketEndPoint(left)))
        {
            listener.Listen();
            Assert.EndsWith("already", Assert.Throws<KvasirException>(() => ServeListeners.ClearSocket(left)).Message, StringComparison.Ordinal);
        }

        using (var killed = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            File.Delete(left);
            killed.Bind(new UnixDomainSocketEndPoint(left));
            ServeListeners.ClearSocket(left);
        }

        Assert.False(File.Exists(left));
    }
}
