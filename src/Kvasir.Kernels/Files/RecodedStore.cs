using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Files;

/// <summary>
/// Pages that lie elsewhere in another format than in memory: rounded on their way down, and what was written is rounded in the writer's memory too, so that he
/// knows what will come back.
/// </summary>
public sealed class RecodedStore : IPageStore
{
    private readonly PageRecoding _recoding;
    private readonly IPageStore _store;
    private readonly Lock _gate = new();
    private readonly Stack<NativeBuffer> _free = new();

    /// <param name="recoding">Of each page.</param>
    /// <param name="files">Makes the place of pages of so many bytes.</param>
    public RecodedStore(PageRecoding recoding, Func<int, IPageStore> files)
    {
        ArgumentNullException.ThrowIfNull(recoding);
        ArgumentNullException.ThrowIfNull(files);
        (_recoding, _store) = (recoding, files(recoding.FarBytes));
        PageBytes = (recoding.NearBytes + DirectFile.Alignment - 1) / DirectFile.Alignment * DirectFile.Alignment;
    }

    /// <inheritdoc/>
    public int PageCount => _store.PageCount;

    /// <inheritdoc/>
    public int PageBytes { get; }

    /// <inheritdoc/>
    public int StoredBytes => _store.StoredBytes;

    /// <inheritdoc/>
    public string? WhyCached => _store.WhyCached;

    /// <inheritdoc/>
    public int RunFrom(int page) => _store.RunFrom(page);

    /// <inheritdoc/>
    public void Read(int firstPage, NativeView memory)
    {
        var (count, buffer) = ((int)(memory.Bytes / PageBytes), Rent(memory));
        try
        {
            var far = buffer.View.Slice(0, (long)count * _store.PageBytes);
            _store.Read(firstPage, far);
            Decode(far, memory, count);
        }
        finally
        {
            Return(buffer);
        }
    }

    /// <inheritdoc/>
    public void Write(int firstPage, NativeView memory)
    {
        var (count, buffer) = ((int)(memory.Bytes / PageBytes), Rent(memory));
        try
        {
            var far = buffer.View.Slice(0, (long)count * _store.PageBytes);
            for (var page = 0; page < count; page++)
                _recoding.Encode(memory.Address + (page * PageBytes), far.Address + (page * _store.PageBytes));
            _store.Write(firstPage, far);
            Decode(far, memory, count);
        }
        finally
        {
            Return(buffer);
        }
    }

    public void Dispose()
    {
        _store.Dispose();
        foreach (var buffer in _free)
            buffer.Dispose();
    }

    private void Decode(NativeView far, NativeView memory, int count)
    {
        for (var page = 0; page < count; page++)
            _recoding.Decode(far.Address + (page * _store.PageBytes), memory.Address + (page * PageBytes));
    }

    // Large enough to be aligned as direct reads ask for, and so many that each thread finds its own again.
    private NativeBuffer Rent(NativeView memory)
    {
        using (_gate.EnterScope())
        {
            if (_free.TryPop(out var buffer) && buffer.Bytes >= memory.Bytes)
                return buffer;
            buffer?.Dispose();
        }

        return NativeBuffer.Uninitialized(Math.Max(2 << 20, memory.Bytes));
    }

    private void Return(NativeBuffer buffer)
    {
        using var gate = _gate.EnterScope();
        _free.Push(buffer);
    }
}
