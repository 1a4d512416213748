using Microsoft.Win32.SafeHandles;

namespace Kvasir.Kernels.Files;

/// <summary>
/// A file that is replaced as a whole or not at all: its content is written beside it, under its name with .tmp behind, and takes its place when all of that
/// has reached the device. Whatever ends the process before that leaves the old file as it was. Its owner alone may read it.
/// </summary>
public sealed class ReplacedFile : IDisposable
{
    private readonly string _path;
    private readonly FileStream _file;
    private bool _isThere;

    /// <param name="bytes">That it will have: they are taken from the file system now.</param>
    /// <exception cref="IOException">
    /// As <see cref="RequireReplaceable"/>; the file system has no room, or somebody else writes the file at this moment.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">No file may be made there.</exception>
    public ReplacedFile(string path, long bytes)
    {
        _path = Target(path);
        RequireReplaceable(path);
        var options = new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 0,
            PreallocationSize = bytes,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        FileSizeLimit.IsAnError();
        _file = new FileStream(TemporaryName(path), options);
    }

    private SafeFileHandle Handle => _file.SafeFileHandle;

    /// <summary>Where the content of a file is written until it is complete.</summary>
    public static string TemporaryName(string path) => Target(path) + ".tmp";

    /// <summary>Refuses what is there and no file: whoever may rename in its folder would put a file in the place of a device, for everybody.</summary>
    /// <exception cref="IOException">It is a folder, a device, a pipe or a socket.</exception>
    public static void RequireReplaceable(string path)
    {
        var name = FileKinds.Of(Target(path)) switch
        {
            FileKind.Folder => "folder",
            FileKind.Socket => "socket",
            FileKind.Device => "device or a pipe",
            _ => null,
        };
        if (name is not null)
            throw new IOException($"it is a {name}, and only a file can be replaced");
    }

    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(long offset, ReadOnlySpan<byte> content) => RandomAccess.Write(Handle, content, offset);

    /// <summary>Puts what was written into the file's place, for good.</summary>
    /// <exception cref="IOException">It cannot be; the old file is there unless its folder alone failed.</exception>
    /// <exception cref="UnauthorizedAccessException">The old file may not be replaced.</exception>
    public void Commit()
    {
        RandomAccess.FlushToDisk(Handle);
        _file.Dispose();
        File.Move(_file.Name, _path, overwrite: true);
        _isThere = true;
        SystemFolders.Sync(Path.GetDirectoryName(_path)!);
    }

    /// <summary>Leaves the old file where nothing was committed, and nothing of the new one.</summary>
    public void Dispose()
    {
        _file.Dispose();
        if (_isThere)
            return;
        _isThere = true;
        File.Delete(_file.Name);
    }

    // A link stays one: what it leads to is replaced.
    private static string Target(string path)
    {
        var file = new FileInfo(path);
        return (file.LinkTarget is null ? file : file.ResolveLinkTarget(returnFinalTarget: true) ?? file).FullName;
    }
}
