using Kvasir.Models.Configs;

namespace Kvasir.Attention.Zones;

/// <summary>
/// A policy that reads the first and the newest rows exactly and chooses among those between: see <see cref="ExactZones"/>.
/// </summary>
public abstract class SparsePolicy(PolicySpec spec) : AttentionPolicy(spec)
{
    public ExactZones Zones { get; } = ExactZones.Of(spec);

    public sealed override Selector CreateSelector(HeadPlace place) => Zones.DenseLayers.Contains(place.Layer) ? AllRows.Instance : CreateSparse(place);

    public sealed override bool ReadsEveryRow(int layer, (int First, int End) visible)
    {
        var (first, end) = Zones.Middle(visible.First, visible.End);
        return Zones.DenseLayers.Contains(layer) || (first == end && !ObservesDecode);
    }

    public sealed override void RequireFits(AttentionShape shape)
    {
        foreach (var layer in Zones.DenseLayers)
        {
            if (layer >= shape.LayerCount)
                throw new KvasirException(
                    KvasirError.BadOption,
                    $"attention policy '{Name}' names layer {layer}, and the model has layers 0 to {shape.LayerCount - 1}"
                        + (shape.LeavesOut ? ", counted without those that have a window" : ""));
        }

        RequireShape(shape);
    }

    public sealed override int RowsKeptAt(AttentionShape shape, int layer, int promptRows)
    {
        if (Zones.DenseLayers.Contains(layer))
            return promptRows;
        var visible = shape.At(layer).Visible(promptRows);
        var middle = Zones.Middle(visible.First, visible.End);
        return middle.First < middle.End ? promptRows - RowsDropped((layer, shape.LayerCount), middle, promptRows) : promptRows;
    }

    public sealed override long IndexBytesAt(HeadPlace place, int promptRows, int rows) =>
        Zones.DenseLayers.Contains(place.Layer) ? 0 : SparseIndexBytes(place, promptRows, rows);

    public sealed override long PartBytes(HeadPlace place, int rowCount) => Zones.DenseLayers.Contains(place.Layer) ? 0 : SparsePartBytes(place, rowCount);

    public sealed override IDisposable? CreatePrefix(HeadPlace place) => Zones.DenseLayers.Contains(place.Layer) ? null : CreateSparsePrefix(place);

    public sealed override long PrefixBytesAt(HeadPlace place) => Zones.DenseLayers.Contains(place.Layer) ? 0 : SparsePrefixBytes(place);

    /// <summary>A name of parts for <see cref="AttentionPolicy.PartName"/>: what they are, in which layers.</summary>
    protected string PartsOf(string what) => $"{what} but in {string.Join('+', Zones.DenseLayers.Order())}";

    /// <summary>As <see cref="PartBytes"/>, in a layer that is not dense.</summary>
    protected virtual long SparsePartBytes(HeadPlace place, int rowCount) => 0;

    /// <summary>As <see cref="CreatePrefix"/>, in a layer that is not dense.</summary>
    protected virtual IDisposable? CreateSparsePrefix(HeadPlace place) => null;

    /// <summary>As <see cref="PrefixBytesAt"/>, in a layer that is not dense.</summary>
    protected virtual long SparsePrefixBytes(HeadPlace place) => 0;

    /// <summary>As <see cref="IndexBytesAt"/>, in a layer that is not dense.</summary>
    protected virtual long SparseIndexBytes(HeadPlace place, int promptRows, int rows) => base.IndexBytesAt(place, promptRows, rows);

    /// <summary>Rows that a head drops when a prompt is over, in a layer that is not dense.</summary>
    /// <param name="place">The layer, and how many there are.</param>
    /// <param name="middle">Between the zones of the first generated token.</param>
    protected virtual int RowsDropped((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows) => 0;

    /// <summary>Checks whatever else a policy wants of a model.</summary>
    /// <exception cref="KvasirException">The model is none that the policy is for.</exception>
    protected virtual void RequireShape(AttentionShape shape)
    {
    }

    /// <summary>A fresh selector for one (sequence, layer, KV head) of a layer that is not dense.</summary>
    protected abstract ZonedSelector CreateSparse(HeadPlace place);
}
