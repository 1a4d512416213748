using System.Globalization;
using Kvasir.Files;

namespace Kvasir.Tiers;

/// <summary>
/// The folder of a store, and whether this process is its owner: one is at a time, until it ends, however it ends. Whoever is not may read.
/// <code>
/// owner.lock  locked while somebody owns it   owner  who that is, for people   seg/*.seg  chunks   index/*.log  which of them there are
/// </code>
/// </summary>
internal sealed class StoreFolder(string path) : IDisposable
{
    private FileStream? _lock;

    public string Path => path;

    public string Segments => System.IO.Path.Combine(path, "seg");

    public string Index => System.IO.Path.Combine(path, "index");

    public bool IsOwner => _lock is not null;

    /// <summary>Who owns it, as far as that is known; empty for nobody.</summary>
    public string Owner
    {
        get
        {
            try
            {
                return File.ReadAllText(OwnerPath).Trim();
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }

    private string OwnerPath => System.IO.Path.Combine(path, "owner");

    /// <summary>Whether this is the folder of a store.</summary>
    public static bool Is(string path) => File.Exists(System.IO.Path.Combine(path, "owner.lock"));

    /// <summary>Becomes the owner. Null when it has, otherwise why not.</summary>
    public string? TryOwn()
    {
        try
        {
            Make(path);
            Make(Segments);
            Make(Index);
            var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            _lock?.Dispose();
            _lock = null;
            _lock = new FileStream(System.IO.Path.Combine(path, "owner.lock"), options);
            File.WriteAllText(OwnerPath, string.Create(CultureInfo.InvariantCulture, $"process {Environment.ProcessId} on {Environment.MachineName}\n"));
            return null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            var isHeld = _lock is null && Is(path) && Owner.Length > 0 && problem is IOException and not (DirectoryNotFoundException or FileNotFoundException);
            Dispose();
            return isHeld ? $"{MessageText.Name(path)} belongs to {Owner}" : problem.Message;
        }
    }

    /// <summary>Bytes of its file system that are free, and all of them; none where that is not known.</summary>
    public (long Free, long All) Room()
    {
        try
        {
            var drive = new DriveInfo(path);
            return (drive.AvailableFreeSpace, drive.TotalSize);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return (long.MaxValue, 0);
        }
    }

    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    // What rows are of can be told from them: nobody else may look.
    private static void Make(string folder)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
