using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models;

/// <summary>Copies matrices into the order that the machine's kernels want, on all cores, as far as memory allows. Owns the copies.</summary>
internal sealed class WeightPacker(bool enabled) : IDisposable
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

    public void Dispose()
    {
        foreach (var buffer in _buffers)
            buffer.Dispose();
    }
}
