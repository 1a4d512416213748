using Kvasir.Files;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Tiers;

/// <summary>
/// Pages in files without names, which nothing is left of however the process ends: read and written past the page cache where the file system can do that.
/// Files are made when something is first written to them, so that a context which fits into memory takes no disk.
/// </summary>
internal sealed class ScratchStore : IPageStore
{
    private const long DefaultBytes = 20L << 30;
    private const long FileTargetBytes = 256 << 20;
    private readonly string _folder;
    private readonly int _filePages;
    private readonly DirectFile?[] _files;
    private readonly Lock _gate = new();

    /// <param name="folder">On whose file system they lie.</param>
    /// <param name="pageBytes">Of a page in memory.</param>
    /// <param name="limitBytes">What they may take in all.</param>
    /// <exception cref="KvasirException">The folder cannot be written to, or the limit holds no page.</exception>
    public ScratchStore(string folder, int pageBytes, long limitBytes)
    {
        _folder = folder;
        PageBytes = (pageBytes + DirectFile.Alignment - 1) / DirectFile.Alignment * DirectFile.Alignment;
        PageCount = (int)Math.Min(limitBytes / PageBytes, int.MaxValue / 2);
        if (PageCount == 0)
            throw new KvasirException(
                KvasirError.BadOption, $"the KV memory on disk of {MessageText.Count(limitBytes, "byte")} is less than one page of {PageBytes} bytes");
        _filePages = (int)Math.Clamp(FileTargetBytes / PageBytes, 1, PageCount);
        _files = new DirectFile?[(PageCount + _filePages - 1) / _filePages];
        // The smallest file tells whether any can be made there.
        using var probe = Create(DirectFile.Alignment);
        WhyCached = probe.WhyCached;
    }

    public int PageCount { get; }

    public int PageBytes { get; }

    public string? WhyCached { get; }

    /// <summary>What makes a store for pages of so many bytes.</summary>
    /// <param name="bytes">What it may take; 0 for 20 GiB, or as much as the memory.</param>
    /// <param name="memoryBytes">What pages in memory may take.</param>
    /// <exception cref="KvasirException">It may take less than the memory.</exception>
    public static Func<int, IPageStore> In(string folder, long bytes, long memoryBytes)
    {
        var limit = bytes == 0 ? Math.Max(DefaultBytes, memoryBytes) : bytes;
        if (limit < memoryBytes)
            throw new KvasirException(
                KvasirError.BadOption,
                $"the KV memory on disk of {MessageText.Count(limit, "byte")} is less than the KV memory of {memoryBytes}, "
                    + "whose pages all have a place on disk");
        // Pages that no device has room for would take tables in memory all the same.
        var most = Math.Max(memoryBytes, Math.Min(limit, DeviceBytes(folder)));
        return pageBytes => new ScratchStore(folder, pageBytes, most);
    }

    public int RunFrom(int page) => Math.Min(_filePages - (page % _filePages), PageCount - page);

    public void Read(int firstPage, NativeView memory)
    {
        var file = Volatile.Read(ref _files[firstPage / _filePages]) ?? throw new IOException($"page {firstPage} was never written");
        file.Read(Offset(firstPage), memory);
    }

    public void Write(int firstPage, NativeView memory) => FileOf(firstPage).Write(Offset(firstPage), memory);

    public void Dispose()
    {
        foreach (var file in _files)
            file?.Dispose();
    }

    private static long DeviceBytes(string folder)
    {
        try
        {
            return new DriveInfo(Path.GetFullPath(folder)).TotalSize is > 0 and var bytes ? bytes : long.MaxValue;
        }
        // It is said of the folder when the first file is made.
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return long.MaxValue;
        }
    }

    private long Offset(int page) => (long)(page % _filePages) * PageBytes;

    private DirectFile FileOf(int page)
    {
        ref var file = ref _files[page / _filePages];
        if (Volatile.Read(ref file) is { } there)
            return there;
        using var gate = _gate.EnterScope();
        if (file is null)
            Volatile.Write(ref file, DirectFile.Create(_folder, (long)Math.Min(_filePages, PageCount - (page / _filePages * _filePages)) * PageBytes));
        return file!;
    }

    private DirectFile Create(long bytes)
    {
        try
        {
            return DirectFile.Create(_folder, bytes);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            var why = Directory.Exists(_folder) ? problem.Message : File.Exists(_folder) ? "it is no folder" : "there is no such folder";
            throw new KvasirException(KvasirError.BadOption, $"no file for keys and values can be made in {_folder}: {why}", problem);
        }
    }
}
