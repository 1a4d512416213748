using Kvasir.Files;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models.Streaming;

/// <summary>
/// Places in memory for some of a layer's experts. Who was chosen least often of late gives its place up: what is counted outlasts the place, and a choice
/// counts for less with every step behind it. Not for several threads at once.
/// </summary>
internal sealed class ExpertSlots
{
    // As of pages that leave memory: what is told apart is the last ten steps' or so. Others found that a set which was chosen most over long texts does worse
    // than the newest.
    private const float Fading = 0.9f;
    private const float MostGain = 1e30f;
    private readonly ExpertMatrices _matrices;
    private readonly Places[] _experts;
    private readonly Slot[] _slots;
    private readonly int[] _slotOf;
    private readonly float[] _uses;
    private NativeView _memory;
    private float _gain = 1;

    /// <param name="count">Places; as many as experts at most.</param>
    public ExpertSlots(ExpertMatrices matrices, int count, WeightFiles files, ITensorSource source)
    {
        (_matrices, _slots, _uses) = (matrices, new Slot[count], new float[matrices.Gate.Length]);
        Array.Fill(_slots, new Slot { Expert = -1 });
        _slotOf = new int[matrices.Gate.Length];
        Array.Fill(_slotOf, -1);
        _experts = new Places[matrices.Gate.Length];
        for (var expert = 0; expert < _experts.Length; expert++)
        {
            var ranges = matrices.RangesOf(expert, source);
            _experts[expert] = new Places(
                files.PiecesOf(ranges), ranges.PlaceOf(matrices.Gate[expert]), ranges.PlaceOf(matrices.Up[expert]), ranges.PlaceOf(matrices.Down[expert]));
            SlotBytes = Math.Max(SlotBytes, ranges.Bytes);
        }
    }

    /// <summary>Of a place.</summary>
    public long SlotBytes { get; }

    public int Count => _slots.Length;

    public int ExpertCount => _experts.Length;

    /// <summary>Gives the places their memory.</summary>
    /// <param name="memory">Of <see cref="Count"/> x <see cref="SlotBytes"/>.</param>
    public void Lie(NativeView memory) => _memory = memory;

    /// <summary>A step begins: nobody is held any more.</summary>
    public void Begin()
    {
        foreach (ref var slot in _slots.AsSpan())
            slot.IsHeld = false;
        _gain /= Fading;
        if (_gain < MostGain)
            return;
        foreach (ref var uses in _uses.AsSpan())
            uses /= _gain;
        _gain = 1;
    }

    /// <summary>An expert was chosen.</summary>
    public void Choose(int expert) => _uses[expert] += _gain;

    public bool HasPlace(int expert) => _slotOf[expert] >= 0;

    public bool IsReady(int expert) => HasPlace(expert) && _slots[_slotOf[expert]].IsReady;

    /// <summary>An expert that has a place keeps it until it is released.</summary>
    public void Hold(int expert, bool holds = true) => _slots[_slotOf[expert]].IsHeld = holds;

    /// <summary>Finds a place for an expert that is to be read, and holds it; false where all are held, or filled just now.</summary>
    public bool TryPlace(int expert)
    {
        var (victim, least) = (-1, float.PositiveInfinity);
        for (var i = 0; i < _slots.Length; i++)
        {
            ref readonly var slot = ref _slots[i];
            // What others are still writing to, and what would have to be read to no end.
            if (slot.IsHeld || slot.InFlight > 0)
                continue;
            var uses = slot.Expert < 0 ? -1 : _uses[slot.Expert];
            if (uses < least)
                (victim, least) = (i, uses);
        }

        if (victim < 0)
            return false;
        if (_slots[victim].Expert >= 0)
            _slotOf[_slots[victim].Expert] = -1;
        _slots[victim] = new Slot { Expert = expert, IsHeld = true };
        _slotOf[expert] = victim;
        return true;
    }

    /// <summary>An expert that nobody began to read leaves; false where somebody did, or it is there.</summary>
    public bool TryWithdraw(int expert)
    {
        if (!HasPlace(expert) || _slots[_slotOf[expert]] is { IsReady: true } or { Claimed: > 0 } or { IsHeld: true })
            return false;
        _slots[_slotOf[expert]] = new Slot { Expert = -1 };
        _slotOf[expert] = -1;
        return true;
    }

    /// <summary>What is next to be read of an expert; false where nothing is.</summary>
    public bool TryClaim(int expert, out WeightFiles.Piece piece, out NativeView memory)
    {
        (piece, memory) = (default, default);
        if (!HasPlace(expert))
            return false;
        var place = _slotOf[expert];
        ref var slot = ref _slots[place];
        var pieces = _experts[expert].Pieces;
        if (slot.IsReady || slot.Claimed == pieces.Length)
            return false;
        piece = pieces[slot.Claimed++];
        slot.InFlight++;
        memory = _memory.Slice((place * SlotBytes) + piece.Place, piece.Bytes);
        return true;
    }

    /// <summary>A piece has come, or will not. Who has a piece on its way keeps its place, so the expert is still there.</summary>
    /// <returns>Whether the expert is there from now on, or its place is free.</returns>
    public bool Complete(int expert, bool isWell)
    {
        ref var slot = ref _slots[_slotOf[expert]];
        slot.InFlight--;
        if (!isWell)
            (slot.HasFailed, slot.Claimed) = (true, _experts[expert].Pieces.Length);
        if (slot.InFlight > 0 || slot.Claimed < _experts[expert].Pieces.Length)
            return false;
        slot.IsReady = !slot.HasFailed;
        if (slot.IsReady)
            return true;
        // Whoever wants it next tries again.
        slot = new Slot { Expert = -1 };
        _slotOf[expert] = -1;
        return true;
    }

    /// <summary>The expert's matrices are those that lie in its place.</summary>
    public void Show(int expert)
    {
        var memory = _memory.Slice(_slotOf[expert] * SlotBytes, SlotBytes);
        var places = _experts[expert];
        _matrices.Gate[expert] = At(_matrices.Gate[expert], places.Gate);
        _matrices.Up[expert] = At(_matrices.Up[expert], places.Up);
        _matrices.Down[expert] = At(_matrices.Down[expert], places.Down);

        WeightMatrix At(in WeightMatrix matrix, long place) => new(matrix.Type, matrix.Rows, matrix.Columns, memory.Slice(place, matrix.Bytes));
    }

    private readonly record struct Places(WeightFiles.Piece[] Pieces, long Gate, long Up, long Down);

    private struct Slot
    {
        /// <summary>Whose place it is; -1 for nobody's.</summary>
        public int Expert;
        public int Claimed;
        public int InFlight;
        public bool IsReady;
        public bool IsHeld;
        public bool HasFailed;
    }
}

/// <summary>[experts] of a layer: replaced, one by one, by those that lie where they were read to.</summary>
internal readonly record struct ExpertMatrices(WeightMatrix[] Gate, WeightMatrix[] Up, WeightMatrix[] Down)
{
    public MatrixRanges RangesOf(int expert, ITensorSource source) => MatrixRanges.Of([Gate[expert], Up[expert], Down[expert]], source);

    /// <summary>What an expert takes at most, wherever its matrices begin within blocks of a file.</summary>
    public long SlotBytes(ITensorSource source)
    {
        var most = 0L;
        for (var expert = 0; expert < Gate.Length; expert++)
            most = Math.Max(most, RangesOf(expert, source).Bytes);
        return most;
    }
}
