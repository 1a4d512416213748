namespace Kvasir.Planning;

/// <summary>A model and a machine as FlexGen's cost model (arXiv 2303.06865, and its repository) has them: fitted rates, and two bytes for a number.</summary>
/// <param name="Layers">l.</param>
/// <param name="Width">h1.</param>
/// <param name="FeedForwardWidth">h2.</param>
/// <param name="PromptTokens">s.</param>
/// <param name="OutputTokens">n.</param>
/// <param name="Block">bls: sequences of a block, all of whose layers read the weights once.</param>
public sealed record FlexGenRun(int Layers, int Width, int FeedForwardWidth, int PromptTokens, int OutputTokens, int Block)
{
    /// <summary>Bytes a second from host to device, and back; from disk to host, and back.</summary>
    public required (double HostToDevice, double DeviceToHost, double DiskToHost, double HostToDisk) Links { get; init; }

    /// <summary>Operations a second: of matrices of the prompt and of steps, of attention on the device, and on the host.</summary>
    public required (double Prompt, double Step, double Attention, double Host) Rates { get; init; }

    /// <summary>Of device, host and disk.</summary>
    public required (double Device, double Host, double Disk) Memory { get; init; }
}

/// <summary>The nine fractions: of weights, cache and hidden states those on device, host and disk.</summary>
public readonly record struct FlexGenShares(TierShares Weights, TierShares Cache, TierShares Hidden);

/// <summary>Fractions that add up to 1.</summary>
public readonly record struct TierShares(double Device, double Host, double Disk);
