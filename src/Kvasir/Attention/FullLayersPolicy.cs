using Kvasir.Cache.Slots;
using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Attention;

/// <summary>
/// A policy over a model of which some layers have a window: it has to do with those alone that see all rows, and counts none but them, so that its first layer
/// is the first of these. Layers with a window read every row in it, whatever the policy: there are few, and those that leave the window leave memory.
/// </summary>
internal sealed class FullLayersPolicy : AttentionPolicy
{
    private readonly AttentionPolicy _policy;
    private readonly AttentionShape _full;

    // [layers]: the place among those that see all; -1 for one with a window.
    private readonly int[] _places;

    private FullLayersPolicy(AttentionPolicy policy, AttentionShape shape)
        : base(policy.Spec)
    {
        (_policy, _full, _places) = (policy, shape.Full(), new int[shape.LayerCount]);
        var count = 0;
        for (var layer = 0; layer < _places.Length; layer++)
            _places[layer] = shape.SeesAll(layer) ? count++ : -1;
    }

    public override int ObservedPromptRows => _full.LayerCount > 0 ? _policy.ObservedPromptRows : 0;

    public override bool ObservesDecode => _full.LayerCount > 0 && _policy.ObservesDecode;

    public override bool DropsRows => _full.LayerCount > 0 && _policy.DropsRows;

    public override bool SuitsGuesses => _policy.SuitsGuesses;

    public override bool SuitsFiles => _policy.SuitsFiles;

    public override SettledRows? SettledRowsAt(int rows) => _policy.SettledRowsAt(rows);

    public override bool DecidesByLayer => _full.LayerCount > 0 && _policy.DecidesByLayer;

    public override int RowUnit => _policy.RowUnit;

    public override string PartName => _policy.PartName;

    /// <summary>The policy for a model's layers: itself where all see all rows.</summary>
    public static AttentionPolicy Of(AttentionPolicy policy, AttentionShape shape) =>
        policy is FullLayersPolicy || shape.FullLayerCount == shape.LayerCount ? policy : new FullLayersPolicy(policy, shape);

    /// <summary>What is indexed of rows with which several sequences begin: of the layers that see all.</summary>
    public static PrefixIndexes Prefix(AttentionPolicy policy, AttentionShape shape, int rows, IDisposable? shared) => policy is FullLayersPolicy own
        ? new PrefixIndexes(own._policy, own._full, rows, shared)
        : new PrefixIndexes(policy, shape, rows, shared);

    public override bool ReadsEveryRow(int layer, (int First, int End) visible) =>
        _places[layer] is not (>= 0 and var place) || _policy.ReadsEveryRow(place, visible);

    public override (int OldestEnd, int NewestFirst)? KeptAt(int layer, (int First, int End) visible) =>
        _places[layer] is >= 0 and var place ? _policy.KeptAt(place, visible) : null;

    public override int RowsKeptAt(AttentionShape shape, int layer, int promptRows) => _places[layer] is >= 0 and var place
        ? _policy.RowsKeptAt(_full, place, promptRows)
        : promptRows - shape.At(layer).FirstVisible(promptRows);

    public override double IndexBytesPerToken(int dim) => _policy.IndexBytesPerToken(dim);

    public override double AppendRowCost(int dim) => _policy.AppendRowCost(dim);

    public override double BuildRowCost(int dim) => _policy.BuildRowCost(dim);

    public override long IndexBytesAt(HeadPlace place, int promptRows, int rows) => HasPlace(ref place) ? _policy.IndexBytesAt(place, promptRows, rows) : 0;

    public override int PartEnd(int firstRow) => _full.LayerCount > 0 ? _policy.PartEnd(firstRow) : firstRow;

    public override long PartBytes(HeadPlace place, int rowCount) => HasPlace(ref place) ? _policy.PartBytes(place, rowCount) : 0;

    public override double PartRowCost(int dim) => _policy.PartRowCost(dim);

    public override IDisposable? CreatePrefix(HeadPlace place) => HasPlace(ref place) ? _policy.CreatePrefix(place) : null;

    public override long PrefixBytesAt(HeadPlace place) => HasPlace(ref place) ? _policy.PrefixBytesAt(place) : 0;

    public override long SharedIndexBytes(AttentionShape shape) => _full.LayerCount > 0 ? _policy.SharedIndexBytes(_full) : 0;

    public override IDisposable? ShareIndex(AttentionShape shape) => _full.LayerCount > 0 ? _policy.ShareIndex(_full) : null;

    public override double IndexBytesRead(int dim, int groupHeads) => _policy.IndexBytesRead(dim, groupHeads);

    public override void RequireFits(AttentionShape shape)
    {
        if (_full.LayerCount > 0)
            _policy.RequireFits(_full);
    }

    public override void EndPrompt(LayerHeads heads)
    {
        if (_places[heads.Layer] is >= 0 and var place)
            _policy.EndPrompt(heads.Counted(place));
    }

    public override object? CreateTogether() => _full.LayerCount > 0 ? _policy.CreateTogether() : null;

    public override Selector CreateSelector(HeadPlace place) => HasPlace(ref place) ? _policy.CreateSelector(place) : AllRows.Instance;

    public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        if (HasPlace(ref first))
            _policy.CreateLayer(first, selectors);
        else
            selectors.Fill(AllRows.Instance);
    }

    // As the policy counts layers. False for a layer with a window.
    private bool HasPlace(ref HeadPlace place)
    {
        Invariant.Holds(place.LayerCount == _places.Length);
        place = place with { Layer = _places[place.Layer], LayerCount = _full.LayerCount };
        return place.Layer >= 0;
    }
}
