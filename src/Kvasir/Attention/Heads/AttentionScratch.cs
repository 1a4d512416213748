using Kvasir.Attention.Observation;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>What one worker needs to attend: queries, scores, running sums, and the selection of a round.</summary>
internal sealed class AttentionScratch : IDisposable
{
    /// <summary>Rows that are scored at a time for one position: the scores of a group stay in the first-level cache.</summary>
    public const int DecodeRows = Attention.Selector.MostReweighted;

    /// <summary>Rows that are scored at a time for a tile of prompt positions.</summary>
    public const int TileRows = 128;

    // A block of keys is widened once for so many queries.
    private const int TileQueries = 512;
    private readonly NativeBuffer _floats;
    private readonly NativeBuffer? _tiles;
    private readonly int _queryLimit;
    private readonly int _scoreLimit;
    private readonly int _dim;
    private readonly int _valueDim;
    private readonly bool _ownsParts;

    /// <param name="format">How keys and values are stored.</param>
    /// <param name="maxRows">The most rows that a head will hold.</param>
    /// <param name="takesPrompts">Whether there is room for tiles of positions, or for one.</param>
    /// <param name="parts">Where rows are divided, if it belongs to somebody else.</param>
    public AttentionScratch(AttentionShape shape, KvFormat format, int maxRows, bool takesPrompts = true, RoundParts? parts = null)
    {
        (_dim, _valueDim) = (shape.Dim, shape.ValueDim);
        TilePositions = takesPrompts ? Math.Max(1, TileQueries / shape.GroupHeads) : 1;
        _queryLimit = TilePositions * shape.GroupHeads;
        _scoreLimit = Math.Max(_queryLimit * TileRows, shape.GroupHeads * DecodeRows);
        _floats = new NativeBuffer(sizeof(float) * ((long)SumsAt + (2L * _queryLimit) + _scoreLimit));
        (Selection, Parts, _ownsParts) = (new KvSelection(maxRows), parts ?? new RoundParts(shape), parts is null);
        Selector = new SelectorScratch(shape.GroupHeads, maxRows);
        // Prompts that are no longer than a few positions never touch all of it.
        _tiles = takesPrompts && _dim == _valueDim && TileAttention.Supports(format)
            ? NativeBuffer.Uninitialized(TileAttention.ScratchBytes(_dim, _queryLimit))
            : null;
    }

    /// <summary>Prompt positions that are attended together.</summary>
    public int TilePositions { get; }

    public KvSelection Selection { get; }

    /// <summary>What selectors use while they choose.</summary>
    public SelectorScratch Selector { get; }

    /// <summary>Where indexes are built between attending one row and the next: by studies, and for candidates.</summary>
    public IndexScratch Index { get; } = new();

    /// <summary>Where the rows of a round are divided between workers.</summary>
    public RoundParts Parts { get; }

    /// <summary>Rows and weights kept for <see cref="Selector.Observe"/>; made when a policy first asks.</summary>
    public ObservedWeights? Observed { get; set; }

    /// <summary>Where attention is held against dense attention; made when a sequence is first audited.</summary>
    public DenseComparison? Comparison { get; set; }

    /// <summary>Where the heads of a layer are attended together; made when a policy first asks.</summary>
    public LayerScratch? Layer { get; set; }

    public long Bytes => _floats.Bytes + Selector.Bytes + Index.Bytes + (_tiles?.Bytes ?? 0) + (Layer?.Bytes ?? 0) + (_ownsParts ? Parts.Bytes : 0);

    /// <summary>What <see cref="TileAttention"/> works in; null where it is not to be used.</summary>
    public NativeView? Tiles => _tiles?.View;

    /// <summary>Rows that are scored at a time for so many queries, at most <see cref="DecodeRows"/>.</summary>
    public int PieceRows(int count) => Math.Min(DecodeRows, _scoreLimit / count / TileRows * TileRows);

    /// <summary>[count, dim]</summary>
    public Span<float> Queries(int count) => Floats(0, count * _dim);

    /// <summary>[group]: the sinks of the heads whose queries were copied last; empty where they have none.</summary>
    public ReadOnlyMemory<float> Sinks { get; set; }

    /// <summary>Sums for <paramref name="count"/> queries.</summary>
    public SoftmaxSum Sum(int count) => new(Floats(SumsAt, count), Floats(SumsAt + _queryLimit, count), Outputs(count), Sinks.Span);

    /// <summary>[count, value dim]: where <see cref="Sum"/> leaves its outputs.</summary>
    public Span<float> Outputs(int count) => Floats(_queryLimit * _dim, count * _valueDim);

    /// <summary>[count, rows]</summary>
    public Span<float> Scores(int count, int rows)
    {
        Invariant.Holds(count * rows <= _scoreLimit);
        return Floats(SumsAt + (2 * _queryLimit), count * rows);
    }

    public void PrepareToObserve(AttentionShape shape, int maxRows)
    {
        Observed ??= new ObservedWeights(shape.GroupHeads, maxRows);
        Layer?.PrepareToObserve(shape, maxRows);
    }

    public void PrepareToCompare(AttentionShape shape)
    {
        Comparison ??= new DenseComparison(shape);
        Layer?.PrepareToCompare(shape);
    }

    public void Dispose()
    {
        _floats.Dispose();
        Selector.Dispose();
        Index.Dispose();
        _tiles?.Dispose();
        if (_ownsParts)
            Parts.Dispose();
        Layer?.Dispose();
    }

    // Behind queries and outputs.
    private int SumsAt => _queryLimit * (_dim + _valueDim);

    private Span<float> Floats(int first, int count) => _floats.View.Span<float>((long)first * sizeof(float), count);
}
