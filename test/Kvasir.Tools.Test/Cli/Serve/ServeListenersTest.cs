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
}
