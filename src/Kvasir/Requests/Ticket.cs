namespace Kvasir.Requests;

/// <summary>What the scheduler knows of a sequence.</summary>
internal sealed class Ticket
{
    /// <summary>Whoever gave way so often gives way no more.</summary>
    public const int MostPreemptions = 3;
    private WaitingQueue? _queue;

    /// <summary>Where it waited or waits; null before it was accepted.</summary>
    public WaitingQueue? Queue => Volatile.Read(ref _queue);

    /// <summary>Whose it is; known when it is queued.</summary>
    public ClientAccount? Client { get; private set; }

    /// <summary>Lower for those that came earlier.</summary>
    public long Arrival { get; private set; }

    /// <summary>When it came, on the queue's clock.</summary>
    public double ArrivedMs { get; private set; }

    /// <summary>How long after that its answer is worth nothing any more.</summary>
    public double DeadlineMs { get; init; } = double.PositiveInfinity;

    /// <summary>Tokens of its prompt, and of what is given behind it.</summary>
    public int Tokens { get; init; }

    /// <summary>Whether it has run, and gave its memory back.</summary>
    public bool HasBegun { get; set; }

    /// <summary>How often it gave its memory back to others.</summary>
    public int Preemptions { get; set; }

    /// <summary>Whether it gave way so often that it does no more, and takes all that it may come to before it comes again.</summary>
    public bool StaysToItsEnd => Preemptions >= MostPreemptions;

    /// <summary>Rows that were computed at some time.</summary>
    public int ComputedRows { get; set; }

    /// <summary>Whether a file could not give its rows back, and it computed them again.</summary>
    public bool HasLostRows { get; set; }

    /// <summary>Rows for which it gave its memory back while nobody else had any.</summary>
    public int GaveWayRows { get; set; }

    public void Enter(WaitingQueue queue, long arrival, double arrivedMs, ClientAccount client)
    {
        (Arrival, ArrivedMs, Client) = (arrival, arrivedMs, client);
        Volatile.Write(ref _queue, queue);
    }

    /// <summary>What it ends with when its time is over.</summary>
    /// <param name="where">How far it has come.</param>
    public KvasirException TooLate(double elapsedMs, string where) =>
        new(KvasirError.DeadlineExceeded, $"the deadline of {DeadlineMs:F0} ms passed: {elapsedMs:F0} ms after the request came it is {where}");
}
