using System.Diagnostics;
using Kvasir.Cache;
using Kvasir.Forward;
using Kvasir.Requests;
using Kvasir.Requests.Scheduling;

namespace Kvasir;

/// <summary>One step of an engine: rows are chosen and computed, tokens drawn, indexes built, and what a fault leaves is cleared away.</summary>
/// <param name="tokens">What draws tokens, and what guesses them by weights of fewer bits; null for none.</param>
internal sealed class EngineStep(
    ForwardPass pass, Scheduler scheduler, (TokenDraw Draw, DraftSteps? Drafts) tokens, PrefixReuse prefixes, MemoryBudget memory, TimeProvider time)
{
    private const int MostFaults = 3;
    private static readonly TimeSpan FaultWindow = TimeSpan.FromSeconds(60);
    private readonly long[] _faults = new long[MostFaults];
    private long _faultCount;
    private long _begunCount;

    /// <summary>Where the time of the last step that computed something went.</summary>
    public StepTimings Last { get; private set; }

    /// <summary>Why the engine cannot go on; null while it can.</summary>
    public KvasirException? Broken { get; private set; }

    /// <summary>Faults that ended a step.</summary>
    public long FaultCount => Volatile.Read(ref _faultCount);

    /// <summary>Steps that began.</summary>
    public long BegunCount => Volatile.Read(ref _begunCount);

    /// <summary>Whether three steps failed within a minute once.</summary>
    public bool IsFailing { get; private set; }

    /// <summary>Computes it. False when there was nothing to do.</summary>
    /// <exception cref="KvasirException">The cache does not balance after a fault, and the engine cannot go on.</exception>
    public bool Run()
    {
        if (Broken is not null)
            throw Broken;
        Volatile.Write(ref _begunCount, _begunCount + 1);
        try
        {
            return Compute();
        }
        catch (Exception fault)
        {
            // In work that all share: whose fault it is cannot be said.
            pass.Batch.Clear();
            CountFault();
            Recover(fault);
            return true;
        }
    }

    private bool Compute()
    {
        var start = time.GetTimestamp();
        prefixes.Sweep();
        pass.Shared.Sweep();
        tokens.Drafts?.Run(scheduler.Running);
        scheduler.Next(pass.Batch);
        var stepStart = time.GetTimestamp();
        var computes = pass.Batch.RowCount > 0;
        var isComplete = computes && pass.TryRun();
        if (isComplete)
        {
            scheduler.Count(pass.Batch);
            Sample();
            prefixes.LeaveToDrop(scheduler.Chosen, pass.Batch);
            pass.DropRows();
            tokens.Drafts?.Observe(pass.Batch.Segments, Ms(stepStart));
            scheduler.Observe(Ms(start));
        }

        // Behind the tokens: whose prompt has just ended has the first of them.
        var indexStart = time.GetTimestamp();
        scheduler.AddIndexing(pass.Indexing);
        if (pass.Indexing.Run(isAlone: !computes) || isComplete)
            Last = (isComplete ? pass.LastStep : default) with { TotalMs = Ms(start), IndexMs = Ms(indexStart) };
        if (computes)
            scheduler.DropOver();
        GiveBack();
        return computes || scheduler.RunningCount + scheduler.WaitingCount > 0;
    }

    private double Ms(long start) => time.GetElapsedTime(start).TotalMilliseconds;

    private void Sample()
    {
        var logitIndex = 0;
        var chosen = scheduler.Chosen;
        for (var i = 0; i < chosen.Length; i++)
        {
            var (sequence, segment) = (chosen[i], pass.Batch.Segments[i]);
            tokens.Draw.TellHidden(sequence, segment);
            var finish = segment.LogitCount == 0 ? FinishReason.None : tokens.Draw.TryCommit(sequence, segment, logitIndex);
            logitIndex += segment.LogitCount;
            prefixes.Add(sequence, segment.EndsPrompt);
            if (finish != FinishReason.None)
                scheduler.End(sequence, finish);
        }

        // Readers that wake meanwhile would take the processor from the drawing of those behind.
        foreach (var sequence in chosen)
            sequence.Tell();
    }

    // An engine that rests keeps no memory, nor does one that others wait for. Scratch that a policy was the first to ask for is counted.
    private void GiveBack()
    {
        // What nobody computes with is for engines that would.
        if (memory.IsShared && memory.IsWanted)
            prefixes.GiveBack();
        if (scheduler.RunningCount == 0 || memory.IsWanted)
            pass.Cache.Pool.Trim();
        if (scheduler.RunningCount == 0 && memory.IsWanted)
            pass.Shared.Trim();
        memory.AddBeside(MemoryUse.Scratch, pass.ScratchBytes - memory.Figures.ScratchBytes);
    }

    private void CountFault()
    {
        var now = time.GetTimestamp();
        _faults[_faultCount % MostFaults] = now;
        Volatile.Write(ref _faultCount, _faultCount + 1);
        IsFailing |= _faultCount >= MostFaults && time.GetElapsedTime(_faults[_faultCount % MostFaults], now) <= FaultWindow;
    }

    // Nothing that was computed before outlasts the fault, as in an engine that is new: how far it went cannot be said. Who waits has nothing yet, and stays.
    private void Recover(Exception fault)
    {
        var imbalance = EndRunning(new KvasirException(KvasirError.Fault, $"a fault ended the step: {fault.GetType().Name}: {fault.Message}", fault));
        try
        {
            while (scheduler.Waiting.TryRelease())
            {
            }

            prefixes.Clear();
            pass.Shared.Trim();
            pass.Cache.Pool.Trim();
            pass.Cache.Pool.Verify();
            pass.Cache.Prefixes.Verify();
        }
        catch (Exception problem)
        {
            imbalance ??= problem;
        }

        if (imbalance is null)
            return;
        Broken = new KvasirException(
            KvasirError.Fault, $"the KV cache does not balance after {fault.GetType().Name} ({imbalance.Message}); the engine cannot go on", fault);
        scheduler.Waiting.Close(Broken);
        scheduler.FailAll(Broken);
        throw Broken;
    }

    // Each of them, whatever giving back its memory throws.
    private Exception? EndRunning(KvasirException failure)
    {
        Exception? problem = null;
        while (scheduler.RunningCount > 0)
        {
            try
            {
                scheduler.FailRunning(failure);
            }
            catch (Exception thrown)
            {
                problem ??= thrown;
            }
        }

        return problem;
    }
}
