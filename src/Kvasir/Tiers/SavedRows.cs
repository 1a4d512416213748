using Kvasir.Files;
using Kvasir.Kernels.Memory;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Tiers;

/// <summary>A file of saved rows, open for reading: its header is sound, and columns are checked one by one, as far as they are wanted.</summary>
internal sealed class SavedRows : IDisposable
{
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private NativeBuffer? _column;

    private SavedRows(string path, SafeFileHandle file, SavedHeader header) => (_path, _file, Header) = (path, file, header);

    public SavedHeader Header { get; }

    /// <exception cref="KvasirException">It is missing, cannot be read, is no such file, or is damaged.</exception>
    public static SavedRows Open(string path)
    {
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            var bytes = RandomAccess.GetLength(file);
            var header = new byte[SavedHeader.FixedBytes];
            if (RandomAccess.Read(file, header, 0) < header.Length)
                throw new KvasirException(KvasirError.BadFile, $"{path} is no file of saved keys and values: it has {MessageText.Count(bytes, "byte")}");
            header = new byte[SavedHeader.BytesOf(header, bytes, path)];
            Fill(file, header, 0, path);
            return new SavedRows(path, file, SavedHeader.Read(header, path));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            file?.Dispose();
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be read: {problem.Message}", problem);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>A column, [heads, bytes of a page], until the next one is read.</summary>
    /// <exception cref="KvasirException">It is not what was written, or cannot be read.</exception>
    public ReadOnlySpan<byte> Read(int column)
    {
        _column ??= NativeBuffer.Uninitialized(Header.ColumnBytes);
        var bytes = _column.Span<byte>((int)Header.ColumnBytes);
        try
        {
            Fill(_file, bytes, Header.Bytes + (column * Header.ColumnBytes), _path);
        }
        catch (IOException problem)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{_path} cannot be read: {problem.Message}", problem);
        }

        if (SavedHeader.Sum(bytes, column) != Header.Sums[column])
            throw SavedHeader.Damaged(_path, $"column {column} of {Header.Sums.Length} is not what was written");
        return bytes[..(Header.HeadCount * Header.PageBytes)];
    }

    public void Dispose()
    {
        _column?.Dispose();
        _file.Dispose();
    }

    private static void Fill(SafeFileHandle file, Span<byte> bytes, long offset, string path)
    {
        while (bytes.Length > 0)
        {
            var read = RandomAccess.Read(file, bytes, offset);
            if (read == 0)
                throw SavedHeader.Damaged(path, $"it ends at byte {offset}");
            bytes = bytes[read..];
            offset += read;
        }
    }
}
