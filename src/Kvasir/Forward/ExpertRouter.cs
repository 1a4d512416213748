using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>
/// Which experts the rows of a batch go through, and with which weights; and the same by experts, so that each is read once for all of its rows. A row with
/// one of its experts is a slot: slots of an expert lie together, in the order of their rows, so that nothing depends on who computes.
/// </summary>
internal sealed class ExpertRouter : ParallelJob
{
    private const int ParallelRows = 16;
    private readonly int[] _chosen;
    private readonly float[] _weights;
    private readonly int[] _slotOf;
    private readonly int[] _rowOf;
    private readonly int[] _expertOf;
    private readonly int[] _firstSlots;
    private readonly int[] _experts;
    private readonly int[] _likely;
    private int _expertCount;
    private ExpertShape _shape;
    private NativeView _logits;

    /// <param name="mostRows">Of a batch.</param>
    /// <param name="most">Of any layer: most experts, and most that a row goes through.</param>
    public ExpertRouter(int mostRows, ExpertShape most)
    {
        var mostSlots = mostRows * most.Used;
        (_chosen, _weights, _slotOf) = (new int[mostSlots], new float[mostSlots], new int[mostSlots]);
        (_rowOf, _expertOf, _firstSlots, _shape) = (new int[mostSlots], new int[mostSlots], new int[most.Count + 1], most);
        (_experts, _likely) = (new int[most.Count], new int[most.Used]);
    }

    /// <summary>Slots of the batch: each row has as many as it has experts.</summary>
    public int SlotCount { get; private set; }

    /// <summary>Those that have rows, the lowest index first.</summary>
    public ReadOnlySpan<int> Experts => _experts.AsSpan(0, _expertCount);

    /// <summary>The first slot of an expert; that of the next one is behind its last.</summary>
    public int FirstSlot(int expert) => _firstSlots[expert];

    /// <summary>How many rows go through an expert.</summary>
    public int RowsOf(int expert) => _firstSlots[expert + 1] - _firstSlots[expert];

    public int RowOf(int slot) => _rowOf[slot];

    public int ExpertOf(int slot) => _expertOf[slot];

    /// <summary>The slot of the expert that stands at a place in a row's choice, the likeliest first.</summary>
    public int SlotOf(int row, int rank) => _slotOf[(row * _shape.Used) + rank];

    /// <summary>What the output of that expert is multiplied by.</summary>
    public float WeightOf(int row, int rank) => _weights[(row * _shape.Used) + rank];

    /// <param name="logits">[rows, experts]: what the router says.</param>
    public void Route(WorkerPool pool, ExpertShape shape, NativeView logits, int rows)
    {
        (_shape, _logits, SlotCount) = (shape, logits, rows * shape.Used);
        if (rows >= ParallelRows)
        {
            pool.Run(this, rows);
        }
        else
        {
            for (var row = 0; row < rows; row++)
                Execute(row, 0);
        }

        Group();
    }

    /// <summary>The experts that logits of some rows would choose, each once; what <see cref="Route"/> found stays as it is.</summary>
    /// <param name="logits">[rows, experts]</param>
    /// <param name="experts">Room for those of all rows.</param>
    public int Likely(ExpertShape shape, NativeView logits, int rows, Span<int> experts)
    {
        var count = 0;
        var own = _likely.AsSpan(0, shape.Used);
        for (var row = 0; row < rows; row++)
        {
            Choose(logits.Span<float>((long)row * shape.Count * sizeof(float), shape.Count), own);
            foreach (var expert in own)
            {
                if (!experts[..count].Contains(expert))
                    experts[count++] = expert;
            }
        }

        return count;
    }

    /// <summary>The choice of one row.</summary>
    public override void Execute(int item, int worker)
    {
        var logits = _logits.Span<float>((long)item * _shape.Count * sizeof(float), _shape.Count);
        var chosen = _chosen.AsSpan(item * _shape.Used, _shape.Used);
        Choose(logits, chosen);
        Weigh(_shape, logits, chosen, _weights.AsSpan(item * _shape.Used, _shape.Used));
    }

    // An expert moves past those that are smaller, and so past none that is equal and has a lower index. A NaN moves nothing: there are always enough.
    private static void Choose(ReadOnlySpan<float> logits, Span<int> chosen)
    {
        var count = 0;
        for (var expert = 0; expert < logits.Length; expert++)
        {
            if (count == chosen.Length && !(logits[expert] > logits[chosen[count - 1]]))
                continue;
            var place = count < chosen.Length ? count++ : count - 1;
            for (; place > 0 && logits[expert] > logits[chosen[place - 1]]; place--)
                chosen[place] = chosen[place - 1];
            chosen[place] = expert;
        }
    }

    private static void Weigh(ExpertShape shape, Span<float> logits, ReadOnlySpan<int> chosen, Span<float> weights)
    {
        for (var rank = 0; rank < chosen.Length; rank++)
            weights[rank] = logits[chosen[rank]];
        var most = weights[0];
        var sum = Softmax.Exponentials(weights, most);
        if (shape.Router == RouterKind.OfAll)
            sum = Softmax.Exponentials(logits, most);
        VectorMath.Scale(weights, shape.Scale / sum);
    }

    // Sorted by counting: rows of an expert stay in their order.
    private void Group()
    {
        var firsts = _firstSlots.AsSpan(0, _shape.Count + 1);
        firsts.Clear();
        for (var i = 0; i < SlotCount; i++)
            firsts[_chosen[i] + 1]++;
        _expertCount = 0;
        for (var expert = 0; expert < _shape.Count; expert++)
        {
            if (firsts[expert + 1] > 0)
                _experts[_expertCount++] = expert;
            firsts[expert + 1] += firsts[expert];
        }

        // Each expert's first slot moves on to its last while they are given out, and is then that of the next.
        for (var i = 0; i < SlotCount; i++)
        {
            var (row, expert) = (i / _shape.Used, _chosen[i]);
            var slot = firsts[expert]++;
            (_slotOf[i], _rowOf[slot], _expertOf[slot]) = (slot, row, expert);
        }

        for (var expert = _shape.Count; expert > 0; expert--)
            firsts[expert] = firsts[expert - 1];
        firsts[0] = 0;
    }
}
