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
