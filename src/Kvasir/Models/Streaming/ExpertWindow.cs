using System.Diagnostics;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Memory;

namespace Kvasir.Models.Streaming;

/// <summary>
/// Experts that have no place in memory, on their way through some: of those that a step chooses in a layer, the ones that are there are computed with while
/// threads read the others past the page cache, and each of these as it comes. A batch reads an expert once, whoever is in it. What the next layer will choose
/// may be told ahead. Several engines go through it one after another.
/// </summary>
internal sealed class ExpertWindow : IWeightReads<(int Layer, int Expert)>, IDisposable
{
    private const long AlignedBytes = 2 << 20;

    // From so many experts told ahead on it is looked at whether they were right.
    private const int TrialReads = 256;
    private readonly object _gate = new();
    private readonly FairLock _turn = new();
    private readonly ExpertSlots?[] _layers;
    private readonly WeightFiles _files;
    private readonly NativeBuffer _memory;
    private readonly WeightReaders<(int Layer, int Expert)> _readers;
    private readonly Queue<(int Layer, int Expert)> _wanted;
    private readonly Queue<(int Layer, int Expert)> _ahead;
    private readonly int[] _chosen;
    private readonly int[] _ready;
    private readonly bool[] _foretold;
    private (int Expert, Exception Fault)? _fault;
    private int _layer = -1;
    private int _left;
    private int _readyCount;
    private long _waitedTicks;
    private long _uses;
    private long _hits;
    private long _aheadReads;
    private long _aheadRight;

    private ExpertWindow(ExpertSlots?[] layers, WeightFiles files)
    {
        (_layers, _files) = (layers, files);
        _readers = new WeightReaders<(int Layer, int Expert)>(_gate, this, "kvasir experts");
        var most = layers.Max(static layer => layer?.ExpertCount ?? 0);
        (_chosen, _ready, _foretold) = (new int[most], new int[most], new bool[most]);
        // An expert is asked for once a step, and once more if it was told ahead.
        (_wanted, _ahead) = (new Queue<(int, int)>(4 * most), new Queue<(int, int)>(2 * most));
        _memory = NativeBuffer.Uninitialized(Math.Max(AlignedBytes, layers.Sum(static layer => layer is null ? 0 : layer.Count * layer.SlotBytes)));
        var taken = 0L;
        foreach (var layer in layers)
        {
            if (layer is null)
                continue;
            layer.Lie(_memory.View.Slice(taken, layer.Count * layer.SlotBytes));
            taken += layer.Count * layer.SlotBytes;
        }
    }

    /// <summary>What all places take.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>Why reads go through the system's page cache; null where they do not.</summary>
    public string? WhyCached => _files.WhyCached;

    /// <summary>Layers that have experts.</summary>
    public int LayerCount => _layers.Count(static layer => layer is not null);

    /// <summary>Experts of all layers, and those that there is a place for.</summary>
    public (int All, int Places) Experts => (_layers.Sum(static layer => layer?.ExpertCount ?? 0), _layers.Sum(static layer => layer?.Count ?? 0));

    /// <summary>How many experts steps have chosen so far, each once in a layer of a step, and how many of them were there.</summary>
    public (long All, long There) Chosen => (Volatile.Read(ref _uses), Volatile.Read(ref _hits));

    /// <summary>So far.</summary>
    public long BytesRead => _readers.BytesRead;

    /// <summary>Time that steps have waited for what was read.</summary>
    public double WaitedMs => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _waitedTicks)).TotalMilliseconds;

    /// <summary>Takes the experts of layers out of the mapped files.</summary>
    /// <param name="layers">Null for one without experts; their matrices are replaced as they come.</param>
    /// <exception cref="KvasirException">A matrix lies in no file, or a file cannot be read.</exception>
    public static ExpertWindow Of(ExpertShares shares, ExpertMatrices?[] layers, ITensorSource source)
    {
        var files = new WeightFiles();
        try
        {
            return new ExpertWindow(
                [.. layers.Select((layer, index) => layer is { } matrices ? new ExpertSlots(matrices, shares.Slots[index], files, source) : null)], files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Returns when nobody else is in a pass.</summary>
    public void Enter() => _turn.Await();

    public void Leave() => _turn.Pass();

    /// <summary>Asks for what a step chose in a layer.</summary>
    /// <param name="chosen">Each once.</param>
    public void Begin(int layer, ReadOnlySpan<int> chosen)
    {
        _readers.Start();
        lock (_gate)
        {
            var own = _layers[layer]!;
            (_layer, _fault, _left, _readyCount) = (layer, null, chosen.Length, 0);
            chosen.CopyTo(_chosen);
            own.Begin();
            foreach (var expert in chosen)
            {
                own.Choose(expert);
                _uses++;
                _hits += own.IsReady(expert) ? 1 : 0;
                if (!own.HasPlace(expert))
                    continue;
                own.Hold(expert);
                // It may have been told ahead, and be on its way behind others.
                if (!own.IsReady(expert))
                    _wanted.Enqueue((layer, expert));
            }

            Settle(chosen);
            Place();
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Asks for what the next layer will probably choose, behind everything else, in places that less is thought of.</summary>
    /// <param name="likely">Each once.</param>
    public void Foresee(int layer, ReadOnlySpan<int> likely)
    {
        lock (_gate)
        {
            var own = _layers[layer]!;
            foreach (var expert in likely)
            {
                if (own.HasPlace(expert))
                    own.Hold(expert);
            }

            foreach (var expert in likely)
            {
                if (own.HasPlace(expert))
                    continue;
                if (!own.TryPlace(expert))
                    break;
                _ahead.Enqueue((layer, expert));
                _foretold[expert] = true;
                _aheadReads++;
            }

            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Whether it pays to say what a layer will choose: it has no place for all, and was mostly told right so far.</summary>
    /// <param name="most">Experts that may be told.</param>
    public bool Foresees(int layer, int most) =>
        layer < _layers.Length && _layers[layer] is { } own && own.Count < own.ExpertCount && most <= own.Count / 2
            && (_aheadReads < TrialReads || _aheadRight >= _aheadReads / 2);

    /// <summary>Those of the chosen that are there and were not given out yet: at least one, for which it waits, or none when there are no others.</summary>
    /// <returns>To be computed with until the next call.</returns>
    /// <exception cref="KvasirException">One cannot be read.</exception>
    public ReadOnlySpan<int> Next()
    {
        lock (_gate)
        {
            var own = _layers[_layer]!;
            foreach (var expert in _ready.AsSpan(0, _readyCount))
                own.Hold(expert, holds: false);
            _readyCount = 0;
            if (_left == 0)
                return default;
            var start = 0L;
            while (!TryTake(own))
            {
                if (_fault is var (expert, fault))
                    throw new KvasirException(KvasirError.BadFile, $"expert {expert} of layer {_layer} could not be read: {fault.Message}", fault);
                start = start == 0 ? Stopwatch.GetTimestamp() : start;
                Monitor.Wait(_gate);
            }

            _waitedTicks += start == 0 ? 0 : Stopwatch.GetTimestamp() - start;
            return _ready.AsSpan(0, _readyCount);
        }
    }

    public void Dispose()
    {
        _readers.Dispose();
        _files.Dispose();
        _memory.Dispose();
    }

    bool IWeightReads<(int Layer, int Expert)>.TryClaim(out (int Layer, int Expert) load, out WeightFiles.Piece piece, out NativeView memory) =>
        TryClaim(_wanted, out load, out piece, out memory) || TryClaim(_ahead, out load, out piece, out memory);

    // Whoever waits wants an expert, a place, or to hear of the fault.
    bool IWeightReads<(int Layer, int Expert)>.Complete((int Layer, int Expert) load, Exception? fault)
    {
        if (fault is not null && load.Layer == _layer && _chosen.AsSpan(0, _left).Contains(load.Expert))
            _fault ??= (load.Expert, fault);
        return _layers[load.Layer]!.Complete(load.Expert, fault is null) || fault is not null;
    }

    private bool TryTake(ExpertSlots own)
    {
        if (Place())
            Monitor.PulseAll(_gate);
        for (var i = 0; i < _left;)
        {
            var expert = _chosen[i];
            if (!own.IsReady(expert))
            {
                i++;
                continue;
            }

            own.Show(expert);
            _ready[_readyCount++] = expert;
            _chosen[i] = _chosen[--_left];
        }

        return _readyCount > 0;
    }

    // As many of those that have no place as places are free.
    private bool Place()
    {
        var (own, any) = (_layers[_layer]!, false);
        foreach (var expert in _chosen.AsSpan(0, _left))
        {
            if (own.HasPlace(expert) || _fault?.Expert == expert)
                continue;
            if (!own.TryPlace(expert))
                break;
            _wanted.Enqueue((_layer, expert));
            any = true;
        }

        return any;
    }

    // What was told ahead of this layer is known now: what is not wanted and was not begun leaves.
    private void Settle(ReadOnlySpan<int> chosen)
    {
        foreach (var expert in chosen)
        {
            _aheadRight += _foretold[expert] ? 1 : 0;
            _foretold[expert] = false;
        }

        Array.Clear(_foretold);
        while (_ahead.TryDequeue(out var told))
        {
            if (!_layers[told.Layer]!.TryWithdraw(told.Expert))
                _wanted.Enqueue(told);
        }
    }

    private bool TryClaim(Queue<(int Layer, int Expert)> queue, out (int Layer, int Expert) load, out WeightFiles.Piece piece, out NativeView memory)
    {
        while (queue.TryPeek(out load))
        {
            if (_layers[load.Layer]!.TryClaim(load.Expert, out piece, out memory))
                return true;
            queue.Dequeue();
        }

        (piece, memory) = (default, default);
        return false;
    }
}
