using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models;

/// <summary>
/// Copies matrices into the order that the machine's kernels want, on all cores, as far as memory allows; or into fewer bits first. Owns the copies.
/// </summary>
/// <param name="enabled">Whether anything is packed.</param>
/// <param name="packsExperts">Whether experts are: not where they would leave too little memory for anything else.</param>
/// <param name="narrows">Whether matrices are rounded to 4 bits (<see cref="DraftWeights"/>), packed or not, and others left as they are.</param>
internal sealed class WeightPacker(bool enabled, bool packsExperts = false, bool narrows = false) : IDisposable
{
    // Panels that one core packs before it asks for more.
    private const int PanelsPerItem = 8;
    private readonly List<NativeBuffer> _buffers = [];
    private long _bytesLeft = enabled || narrows ? ResidentMemory.AvailableBytes() : 0;

    public bool IsEnabled => enabled;

    /// <summary>Whether what was copied is needed no longer where it lay.</summary>
    public bool ReplacesStored => !narrows;

    /// <summary>Whether matrices are left as they are for now.</summary>
    public bool IsPaused { get; set; }

    /// <summary>Bytes of all copies.</summary>
    public long Bytes { get; private set; }

    /// <summary>False when the matrix is best left as it is; else the copy, and the stored bytes are not needed for products.</summary>
    public bool TryPack(in WeightMatrix stored, out WeightMatrix packed)
    {
        packed = stored;
        if (narrows)
            return TryNarrow(stored, out packed);
        if (!enabled || IsPaused || !PackedWeights.Pays(stored.Type))
            return false;
        var bytes = PackedWeights.Bytes(stored.Type, stored.Rows, stored.Columns);
        if (bytes > _bytesLeft)
            return false;
        packed = Pack(stored, Take(bytes));
        return true;
    }

    /// <summary>Packs every matrix in its place, all into one piece of memory; false when all are best left as they are.</summary>
    public bool TryPackAll(params ReadOnlySpan<WeightMatrix[]> groups)
    {
        var bytes = 0L;
        foreach (var matrices in groups)
        {
            foreach (var matrix in matrices)
            {
                if (!enabled || !packsExperts || !PackedWeights.Pays(matrix.Type))
                    return false;
                bytes += PackedWeights.Bytes(matrix.Type, matrix.Rows, matrix.Columns);
            }
        }

        if (bytes > _bytesLeft)
            return false;
        var free = Take(bytes);
        foreach (var matrices in groups)
            free = PackAll(matrices, free);
        return true;
    }

    /// <summary>Takes over memory that a matrix was gathered in, which no file has.</summary>
    public void Keep(NativeBuffer buffer)
    {
        _buffers.Add(buffer);
        (Bytes, _bytesLeft) = (Bytes + buffer.Bytes, _bytesLeft - buffer.Bytes);
    }

    public void Dispose()
    {
        foreach (var buffer in _buffers)
            buffer.Dispose();
    }

    // Returns what is left of the memory.
    private static NativeView PackAll(WeightMatrix[] matrices, NativeView free)
    {
        var targets = new NativeView[matrices.Length];
        for (var i = 0; i < targets.Length; i++)
        {
            targets[i] = free.Slice(0, PackedWeights.Bytes(matrices[i].Type, matrices[i].Rows, matrices[i].Columns));
            free = free.Slice(targets[i].Bytes, free.Bytes - targets[i].Bytes);
        }

        Parallel.For(0, matrices.Length, i =>
        {
            var stored = matrices[i];
            PackedWeights.Pack(stored, 0, PackedWeights.PanelCount(stored.Rows), targets[i]);
            matrices[i] = WeightMatrix.Packed(stored.Type, stored.Rows, stored.Columns, targets[i]);
        });
        return free;
    }

    private bool TryNarrow(in WeightMatrix stored, out WeightMatrix narrow)
    {
        const WeightType Type = WeightType.Q4_0;
        narrow = stored;
        if (!DraftWeights.Narrows(stored.Type, stored.Columns))
            return false;
        var isPacked = enabled && PackedWeights.Pays(Type);
        var bytes = stored.Rows * WeightLayout.RowBytes(Type, stored.Columns);
        var packedBytes = isPacked ? PackedWeights.Bytes(Type, stored.Rows, stored.Columns) : 0;
        if (bytes + packedBytes > _bytesLeft)
            return false;
        if (!isPacked)
        {
            narrow = Round(stored, Take(bytes));
            return true;
        }

        using var rounded = NativeBuffer.Uninitialized(bytes);
        narrow = Pack(Round(stored, rounded.View), Take(packedBytes));
        return true;
    }

    private static WeightMatrix Round(in WeightMatrix stored, NativeView target)
    {
        var (source, narrow) = (stored, new WeightMatrix(WeightType.Q4_0, stored.Rows, stored.Columns, target));
        Parallel.For(0, source.Rows, static () => Array.Empty<float>(), (row, _, elements) =>
        {
            elements = elements.Length == 0 ? new float[source.Columns] : elements;
            WeightRow.Decode(source.Type, source.Row(row), elements);
            Q4_0Row.Encode(elements, target.Span(row * narrow.RowBytes, (int)narrow.RowBytes));
            return elements;
        }, static _ => { });
        return narrow;
    }

    private NativeView Take(long bytes)
    {
        var buffer = NativeBuffer.Uninitialized(bytes);
        Keep(buffer);
        return buffer.View;
    }

    private static WeightMatrix Pack(in WeightMatrix stored, NativeView view)
    {
        var source = stored;
        var panels = PackedWeights.PanelCount(source.Rows);
        Parallel.For(0, (panels + PanelsPerItem - 1) / PanelsPerItem, item =>
        {
            var first = item * PanelsPerItem;
            PackedWeights.Pack(source, first, Math.Min(PanelsPerItem, panels - first), view);
        });
        return WeightMatrix.Packed(source.Type, source.Rows, source.Columns, view);
    }
}
