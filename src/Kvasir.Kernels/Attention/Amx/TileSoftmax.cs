using System.Runtime.Intrinsics;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>What happens to a query tile between its scores and its weights.</summary>
internal static unsafe class TileSoftmax
{
    // Weights up to 2^8 do no harm; outputs are rescaled only where scores rise further.
    private const float Headroom = 8;

    /// <summary>Nothing seen.</summary>
    public static void Reset(in TileSpace space, int tile, int blocks)
    {
        new Span<float>(space.Outputs(tile), blocks * 4 * AmxTiles.Bytes / sizeof(float)).Clear();
        new Span<float>(space.References(tile), TileSpace.Lanes).Fill(float.NegativeInfinity);
        new Span<float>(space.Masses(tile), TileSpace.Lanes).Clear();
        new Span<float>(space.Shifts(tile), TileSpace.Lanes).Clear();
    }

    /// <summary>Whether each of the queries [first, last] sees every row of [row, row + count).</summary>
    public static bool SeesAll(in CausalView view, (int First, int Last) queries, int row, int count) =>
        row + count - 1 <= view.Position(queries.First) && row >= view.FirstRow(queries.Last);

    /// <summary>Puts negative infinity in place of scores of rows that a query does not see, and finds the maxima of the others.</summary>
    /// <param name="queries">The tile's; lanes beyond the last take its rows.</param>
    /// <param name="row">The first of the panel.</param>
    /// <param name="groups">Of the panel.</param>
    public static void Mask(in TileSpace space, in CausalView view, (int First, int Last) queries, int row, int groups)
    {
        for (var half = 0; half < 2; half++)
        {
            var (first, last) = (default(Vector512<int>), default(Vector512<int>));
            for (var lane = 0; lane < FloatLanes512.Count; lane++)
            {
                var query = Math.Min(queries.First + half * FloatLanes512.Count + lane, queries.Last);
                first = first.WithElement(lane, view.FirstRow(query) - row);
                last = last.WithElement(lane, view.Position(query) - row);
            }

            MaskHalf(space.Scores + half * AmxTiles.Bytes / sizeof(float), (first, last), groups).Store(space.Maxima + half * FloatLanes512.Count);
        }
    }

    /// <summary>Brings a tile's sums and scores to the largest scores, if those have risen far.</summary>
    public static void Raise(in TileSpace space, int tile, int blocks, int groups)
    {
        for (var half = 0; half < 2; half++)
        {
            var offset = half * FloatLanes512.Count;
            var reference = Vector512.Load(space.References(tile) + offset);
            var isNothing = Vector512.Equals(reference, Vector512.Create(float.NegativeInfinity));
            var maximum = Vector512.Load(space.Maxima + offset);
            var headroom = Vector512.ConditionalSelect(isNothing, reference, Vector512.Create(Headroom));
            if (!Vector512.GreaterThanAny(maximum, headroom))
                continue;
            var rises = Vector512.GreaterThan(maximum, Vector512.ConditionalSelect(isNothing, reference, Vector512<float>.Zero));
            var rise = Vector512.ConditionalSelect(rises, maximum, Vector512<float>.Zero);
            // Sums are zeros where there was nothing, and stay so whatever the factor.
            var factor = Exponential.Of<FloatLanes512, Vector512<float>>(Vector512.ConditionalSelect(isNothing, Vector512<float>.Zero, rise) * -0.693147181f);
            Rescale(space, tile, blocks, half, factor);
            Lower(space.Scores + half * AmxTiles.Bytes / sizeof(float), rise, groups);
            var shift = Vector512.Load(space.Shifts(tile) + offset) - rise;
            shift.Store(space.Shifts(tile) + offset);
            Vector512.ConditionalSelect(rises, -shift, reference).Store(space.References(tile) + offset);
        }
    }

    /// <summary>outputs[q, d] = what the tile has summed, divided by its mass; zeros where a query saw nothing.</summary>
    /// <param name="outputs">[queries of the tile, dim].</param>
    public static void Finish(in TileSpace space, int tile, int dim, Span<float> outputs)
    {
        var columns = stackalloc float[AmxTiles.Bytes / sizeof(float)];
        for (var half = 0; half < 2; half++)
        {
            var mass = Vector512.Load(space.Masses(tile) + half * FloatLanes512.Count);
            var inverse = Vector512.ConditionalSelect(Vector512.Equals(mass, Vector512<float>.Zero), mass, Vector512<float>.One / mass);
            for (var d = 0; d < dim; d += AmxTiles.Rows)
            {
                var sums = Sums(space, tile, d / AmxTiles.Rows, half);
                for (var i = 0; i < AmxTiles.Rows; i++)
                    (Vector512.Load(sums + i * FloatLanes512.Count) * inverse).Store(sums + i * FloatLanes512.Count);
                TileTranspose.Run((byte*)sums, AmxTiles.RowBytes, columns);
                for (var lane = 0; lane < FloatLanes512.Count; lane++)
                {
                    var query = half * FloatLanes512.Count + lane;
                    if (query * dim < outputs.Length)
                        new Span<float>(columns + lane * AmxTiles.Rows, Math.Min(AmxTiles.Rows, dim - d)).CopyTo(outputs[(query * dim + d)..]);
                }
            }
        }
    }

    private static Vector512<float> MaskHalf(float* scores, (Vector512<int> First, Vector512<int> Last) seen, int groups)
    {
        var nothing = Vector512.Create(float.NegativeInfinity);
        var maximum = nothing;
        for (var row = 0; row < groups * TileSpace.GroupRows; row++)
        {
            var own = Row(scores, row);
            var isSeen = Vector512.GreaterThanOrEqual(Vector512.Create(row), seen.First) & Vector512.LessThanOrEqual(Vector512.Create(row), seen.Last);
            var score = Vector512.ConditionalSelect(isSeen.AsSingle(), Vector512.Load(own), nothing);
            score.Store(own);
            maximum = FloatLanes512.Max(maximum, score);
        }

        return maximum;
    }

    private static void Rescale(in TileSpace space, int tile, int blocks, int half, Vector512<float> factor)
    {
        var masses = space.Masses(tile) + half * FloatLanes512.Count;
        (Vector512.Load(masses) * factor).Store(masses);
        for (var slice = 0; slice < 2 * blocks; slice++)
        {
            var sums = Sums(space, tile, slice, half);
            for (var i = 0; i < AmxTiles.Rows; i++)
                (Vector512.Load(sums + i * FloatLanes512.Count) * factor).Store(sums + i * FloatLanes512.Count);
        }
    }

    private static void Lower(float* scores, Vector512<float> rise, int groups)
    {
        for (var row = 0; row < groups * TileSpace.GroupRows; row++)
        {
            var own = Row(scores, row);
            (Vector512.Load(own) - rise).Store(own);
        }
    }

    // A row's scores for half of the lanes.
    private static float* Row(float* scores, int row) => scores + (row / AmxTiles.Rows * 2 * AmxTiles.Rows + row % AmxTiles.Rows) * FloatLanes512.Count;

    // [16 elements, 16 lanes]
    private static float* Sums(in TileSpace space, int tile, int slice, int half) =>
        space.Outputs(tile) + (2 * slice + half) * AmxTiles.Bytes / sizeof(float);
}
