using System.Diagnostics;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Streaming;

namespace Kvasir.Models;

/// <summary>
/// Layers that have no place in memory, on their way through two: one is computed with while threads read the next one past the page cache, so that memory
/// has what it is given and no more, whatever the system would keep. A batch reads each of them once, whoever is in it. Several engines go through it one
/// after another.
/// </summary>
internal sealed class LayerWindow : IWeightReads<int>, IDisposable
{
    private const long AlignedBytes = 2 << 20;
    private readonly object _gate = new();
    private readonly FairLock _turn = new();
    private readonly int[] _ordinals;
    private readonly WeightFiles.Piece[][] _pieces;
    private readonly NativeView[] _places;
    private readonly Slot[] _slots = new Slot[LayerShares.SlotCount];
    private readonly WeightFiles _files = new();
    private readonly NativeBuffer _memory;
    private readonly WeightReaders<int> _readers;
    private int _first;
    private long _waitedTicks;

    private LayerWindow(LayerShares shares, int layers)
    {
        _readers = new WeightReaders<int>(_gate, this, "kvasir weights");
        _ordinals = new int[layers];
        Array.Fill(_ordinals, -1);
        (_pieces, _places) = (new WeightFiles.Piece[shares.ReadCount][], new NativeView[shares.ReadCount]);
        Array.Fill(_slots, new Slot { Wanted = -1, Reading = -1, Loaded = -1 });
        // From so many on it begins where blocks of a file can be put; what no layer reaches takes no memory.
        _memory = NativeBuffer.Uninitialized(Math.Max(AlignedBytes, LayerShares.SlotCount * shares.SlotBytes));
    }

    /// <summary>What a pass reads.</summary>
    public long PassBytes { get; private set; }

    /// <summary>What both places take.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>What has come of it so far.</summary>
    public StreamedWeights Figures => new(_pieces.Length, PassBytes)
    {
        WhyCached = _files.WhyCached,
        BytesRead = _readers.BytesRead,
        WaitedMs = Stopwatch.GetElapsedTime(0, Volatile.Read(ref _waitedTicks)).TotalMilliseconds,
    };

    /// <summary>Takes layers out of the mapped files.</summary>
    /// <param name="layers">As they are stored where they are to be read; replaced by those of the window.</param>
    /// <exception cref="KvasirException">A matrix lies in no file, or a file cannot be read.</exception>
    public static LayerWindow Of(LayerShares shares, LayerWeights[] layers, ITensorSource source)
    {
        var ranges = layers.Select((layer, index) => shares.IsRead[index] ? MatrixRanges.Of(Matrices(layer), source) : null).ToArray();
        var slotBytes = ranges.Max(static own => own?.Bytes ?? 0);
        var window = new LayerWindow(shares with { SlotBytes = slotBytes }, layers.Length);
        try
        {
            var ordinal = 0;
            for (var layer = 0; layer < layers.Length; layer++)
            {
                if (ranges[layer] is not { } own)
                    continue;
                var memory = window._memory.View.Slice(ordinal % LayerShares.SlotCount * slotBytes, slotBytes);
                layers[layer] = Moved(layers[layer], own, memory);
                (window._pieces[ordinal], window._places[ordinal]) = (window._files.PiecesOf(own), memory);
                window._ordinals[layer] = ordinal++;
                window.PassBytes += own.Bytes;
            }

            return window;
        }
        catch
        {
            window.Dispose();
            throw;
        }
    }

    /// <summary>Returns when nobody else is in a pass.</summary>
    public void Enter() => _turn.Await();

    public void Leave() => _turn.Pass();

    /// <summary>Whether a layer's matrices are there.</summary>
    public bool IsReady(int layer)
    {
        if (_ordinals[layer] is not (>= 0 and var ordinal))
            return true;
        lock (_gate)
            return _slots[ordinal % LayerShares.SlotCount].Loaded == ordinal;
    }

    /// <summary>Returns when a layer's matrices are there, to stay until <see cref="Release"/>; the next one is asked for.</summary>
    /// <exception cref="KvasirException">They cannot be read.</exception>
    public void Require(int layer)
    {
        if (_ordinals[layer] is not (>= 0 and var ordinal))
            return;
        _readers.Start();
        var start = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            _first = Want(ordinal);
            // Who left in the middle of a pass begins anew.
            Want((ordinal + 1) % _pieces.Length);
            while (_slots[_first].Loaded != ordinal && _slots[_first].Fault is null)
                Monitor.Wait(_gate);
            _waitedTicks += Stopwatch.GetTimestamp() - start;
            if (_slots[_first].Fault is not { } fault)
                return;
            // Whoever comes next tries again.
            _slots[_first] = _slots[_first] with { Fault = null, Wanted = -1, Reading = -1 };
            throw new KvasirException(KvasirError.BadFile, $"the weights of layer {layer} could not be read: {fault.Message}", fault);
        }
    }

    /// <summary>A layer was computed with: the next but one takes its place.</summary>
    public void Release(int layer)
    {
        if (_ordinals[layer] is not (>= 0 and var ordinal))
            return;
        lock (_gate)
        {
            Want((ordinal + LayerShares.SlotCount) % _pieces.Length);
            _first = (ordinal + 1) % LayerShares.SlotCount;
        }
    }

    public void Dispose()
    {
        _readers.Dispose();
        _files.Dispose();
        _memory.Dispose();
    }

    bool IWeightReads<int>.TryClaim(out int load, out WeightFiles.Piece piece, out NativeView memory)
    {
        for (var turn = 0; turn < _slots.Length; turn++)
        {
            load = (_first + turn) % _slots.Length;
            if (!TryClaim(ref _slots[load], out piece))
                continue;
            memory = _places[_slots[load].Reading].Slice(piece.Place, piece.Bytes);
            return true;
        }

        (load, piece, memory) = (0, default, default);
        return false;
    }

    bool IWeightReads<int>.Complete(int load, Exception? fault)
    {
        ref var slot = ref _slots[load];
        slot = slot with { InFlight = slot.InFlight - 1, Fault = slot.Fault ?? (slot.Reading == slot.Wanted ? fault : null) };
        if (slot.InFlight > 0)
            return false;
        if (slot.Fault is null && slot.Reading >= 0 && slot.Claimed == _pieces[slot.Reading].Length)
            slot = slot with { Loaded = slot.Reading };
        return true;
    }

    private static WeightMatrix[] Matrices(LayerWeights layer) => [layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down];

    // The same layer, whose matrices are read from where they will have been put.
    private static LayerWeights Moved(LayerWeights layer, MatrixRanges ranges, NativeView memory)
    {
        return layer with
        {
            Query = Moved(layer.Query),
            Key = Moved(layer.Key),
            Value = Moved(layer.Value),
            Output = Moved(layer.Output),
            Gate = Moved(layer.Gate),
            Up = Moved(layer.Up),
            Down = Moved(layer.Down),
        };

        WeightMatrix Moved(in WeightMatrix matrix) =>
            matrix.Rows == 0 ? matrix : new WeightMatrix(matrix.Type, matrix.Rows, matrix.Columns, memory.Slice(ranges.PlaceOf(matrix), matrix.Bytes));
    }

    // Returns its slot.
    private int Want(int ordinal)
    {
        var index = ordinal % LayerShares.SlotCount;
        if (_slots[index].Wanted == ordinal)
            return index;
        _slots[index] = _slots[index] with { Wanted = ordinal, Fault = null };
        Monitor.PulseAll(_gate);
        return index;
    }

    private bool TryClaim(ref Slot slot, out WeightFiles.Piece piece)
    {
        piece = default;
        if (slot.Wanted < 0 || slot.Loaded == slot.Wanted || slot.Fault is not null)
            return false;
        if (slot.Reading != slot.Wanted)
        {
            // Pieces of another layer may still land there.
            if (slot.InFlight > 0)
                return false;
            slot = slot with { Reading = slot.Wanted, Loaded = -1, Claimed = 0 };
        }

        var pieces = _pieces[slot.Reading];
        if (slot.Claimed == pieces.Length)
            return false;
        piece = pieces[slot.Claimed];
        slot = slot with { Claimed = slot.Claimed + 1, InFlight = slot.InFlight + 1 };
        return true;
    }

    /// <summary>Which layer it is to have, which one is being read into it, and which is there: by their order among those that are read.</summary>
    private readonly record struct Slot(int Wanted, int Reading, int Loaded, int Claimed, int InFlight, Exception? Fault);
}
