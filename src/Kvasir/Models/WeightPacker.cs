using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models;

/// <summary>Copies matrices into the order that the machine's kernels want, on all cores, as far as memory allows. Owns the copies.</summary>
/// <param name="enabled">Whether anything is.</param>
/// <param name="packsExperts">Whether experts are: not where they would leave too little memory for anything else.</param>
internal sealed class WeightPacker(bool enabled, bool packsExperts) : IDisposable
{
    // Panels that one core packs before it asks for more.
    private const int PanelsPerItem = 8;
    private readonly List<NativeBuffer> _buffers = [];
    private long _bytesLeft = enabled ? ResidentMemory.AvailableBytes() : 0;

    public bool IsEnabled => enabled;

    /// <summary>Bytes of all copies.</summary>
    public long Bytes { get; private set; }

    /// <summary>False when the matrix is best left as it is; else the copy, and the stored bytes are not needed for products.</summary>
    public bool TryPack(in WeightMatrix stored, out WeightMatrix packed)
    {
        packed = stored;
        if (!enabled || !PackedWeights.Pays(stored.Type))
            return false;
        var bytes = PackedWeights.Bytes(stored.Type, stored.Rows, stored.Columns);
        if (bytes > _bytesLeft)
            return false;
        var buffer = NativeBuffer.Uninitialized(bytes);
        _buffers.Add(buffer);
        var (source, view) = (stored, buffer.View);
        var panels = PackedWeights.PanelCount(source.Rows);
        Parallel.For(0, (panels + PanelsPerItem - 1) / PanelsPerItem, item =>
        {
            var first = item * PanelsPerItem;
            PackedWeights.Pack(source, first, Math.Min(PanelsPerItem, panels - first), view);
        });
        packed = WeightMatrix.Packed(source.Type, source.Rows, source.Columns, view);
        Bytes += bytes;
        _bytesLeft -= bytes;
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
        var buffer = NativeBuffer.Uninitialized(bytes);
        _buffers.Add(buffer);
        (Bytes, _bytesLeft) = (Bytes + bytes, _bytesLeft - bytes);
        var free = buffer.View;
        foreach (var matrices in groups)
            free = PackAll(matrices, free);
        return true;
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
}
