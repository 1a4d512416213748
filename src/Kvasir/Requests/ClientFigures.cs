namespace Kvasir;

/// <summary>What a client has in an engine.</summary>
/// <param name="Name">As <see cref="GenerationOptions.Client"/>; null for all that name none.</param>
/// <param name="Running">Sequences that compute.</param>
/// <param name="Waiting">Sequences that wait.</param>
/// <param name="TurnTokens">What turns go by: tokens computed for it since it came, from where others were then.</param>
public readonly record struct ClientFigures(string? Name, int Running, int Waiting, long TurnTokens);
