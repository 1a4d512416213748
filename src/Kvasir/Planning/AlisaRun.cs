namespace Kvasir.Planning;

/// <summary>A run of ALISA (arXiv 2403.17312) on a device with a host behind a link: all sequences begin together and have one length.</summary>
/// <param name="PromptTokens">s.</param>
/// <param name="OutputTokens">n.</param>
/// <param name="TokenBytes">Of a token's keys and values, all layers and the whole batch.</param>
/// <param name="DeviceBytes">For keys and values on the device.</param>
/// <param name="HostBytes">The same on the host.</param>
/// <param name="BytesPerSecond">Of the link.</param>
/// <param name="Ratio">r: of the tokens, those that a step attends to.</param>
public sealed record AlisaRun(
    int PromptTokens, int OutputTokens, double TokenBytes, double DeviceBytes, double HostBytes, double BytesPerSecond, double Ratio)
{
    /// <summary>What crosses the link of a token, as a share of its bytes: a half where it goes in 8 bits.</summary>
    public double MovedShare { get; init; } = 1;

    /// <summary>Whether the newest tokens come over the link too if they are chosen, as traffic in the paper's figures says.</summary>
    public bool FetchesAll { get; init; }

    /// <summary>Seconds of a step that attends to so many tokens, by a table or a formula.</summary>
    public required Func<double, double> Compute { get; init; }

    /// <summary>Seconds that computing so many tokens again takes.</summary>
    public required Func<double, double> Recompute { get; init; }

    /// <summary>Whether the link and the device work at the same time; otherwise their times are added up, as the paper does.</summary>
    public bool Overlaps { get; init; }
}

/// <summary>When phases change, and how much is on the host and deleted from then on (section 4.3).</summary>
/// <param name="FirstOffload">p1: the step from which on the device does not hold all.</param>
/// <param name="FirstDelete">p2: the step from which on the oldest are deleted.</param>
/// <param name="HostShare">α: of all tokens, those on the host.</param>
/// <param name="DeletedShare">β: of these, the oldest that are deleted and computed again when they are wanted.</param>
public readonly record struct AlisaPhases(int FirstOffload, int FirstDelete, double HostShare, double DeletedShare);
