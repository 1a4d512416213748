using Kvasir.Kernels.Files;

namespace Kvasir.Test.Kernels.Files;

public sealed class ReplacedFileTest : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _path;

    public ReplacedFileTest() => _path = _folder.Write("state", "old");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheOldFileStaysUntilTheNewOneIsWhole()
    {
        using (var file = new ReplacedFile(_path, 6))
        {
            file.Write(3, "ter"u8);
            Assert.Equal("old", File.ReadAllText(_path));
            file.Write(0, "bet"u8);
            file.Commit();
            Assert.Equal("better", File.ReadAllText(_path));
        }

        Assert.Equal([_path], Directory.GetFiles(_folder.Path));
        Assert.Equal("better", File.ReadAllText(_path));
    }

    // Renaming would put a file where a device is, for everybody: as root it did so with /dev/null.
    [Fact]
    public void WhatIsNoFileIsNotReplaced()
    {
        if (!OperatingSystem.IsLinux())
            return;
        Assert.Equal(
            [FileKind.Device, FileKind.Folder, FileKind.Regular, FileKind.Unknown],
            new[] { "/dev/null", _folder.Path, _path, _folder.File("none") }.Select(FileKinds.Of));
        using var listener = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        var socket = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.sock");
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(socket));
        File.CreateSymbolicLink(_folder.File("link"), socket);
        Assert.Equal([FileKind.Socket, FileKind.Socket], new[] { socket, _folder.File("link") }.Select(FileKinds.Of));
        foreach (var path in new[] { socket, _folder.File("link"), _folder.Path })
            Assert.Contains("only a file can be replaced", Assert.ThrowsAny<IOException>(() => new ReplacedFile(path, 3)).Message, StringComparison.Ordinal);
        Assert.Equal(FileKind.Socket, FileKinds.Of(socket));
        Assert.False(File.Exists(ReplacedFile.TemporaryName(socket)));
        File.Delete(socket);
    }

    [Fact]
    public void WhatWasNotCommittedLeavesNothing()
    {
        using (var file = new ReplacedFile(_path, 6))
            file.Write(0, "better"u8);
        using (var file = new ReplacedFile(_folder.File("new"), 6))
            file.Write(0, "better"u8);
        Assert.Equal([_path], Directory.GetFiles(_folder.Path));
        Assert.Equal("old", File.ReadAllText(_path));
    }

    [Fact]
    public void OneWritesAtATimeAndWhatAKilledOneLeftIsWrittenOver()
    {
        File.WriteAllText(ReplacedFile.TemporaryName(_path), "half of what somebody wrote who was killed");
        using var first = new ReplacedFile(_path, 3);
        Assert.ThrowsAny<IOException>(() => new ReplacedFile(_path, 3));
        first.Write(0, "new"u8);
        first.Commit();
        Assert.Equal("new", File.ReadAllText(_path));
    }

    [Fact]
    public void ALinkLeadsToTheNewFileAndItsOwnerAloneReadsIt()
    {
        if (OperatingSystem.IsWindows())
            return;
        var link = _folder.File("link");
        File.CreateSymbolicLink(link, _path);
        using (var file = new ReplacedFile(link, 3))
        {
            file.Write(0, "new"u8);
            file.Commit();
        }

        Assert.Equal((_path, "new"), (new FileInfo(link).LinkTarget, File.ReadAllText(_path)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_path));
    }

    [Fact]
    public void MoreThanTheFileSystemHasIsRefusedBeforeAnythingIsWritten()
    {
        var problem = Assert.ThrowsAny<IOException>(() => new ReplacedFile(_path, 1L << 52));
        Assert.Contains(_path, problem.Message, StringComparison.Ordinal);
        Assert.Equal([_path], Directory.GetFiles(_folder.Path));
    }
}
