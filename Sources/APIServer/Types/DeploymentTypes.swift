// Types of apps/v1 that Kuscia's deployments are made of.

extension TypeText {
    static let deployments = TypeText(
        package: "io.k8s.api.apps.v1",
        #"""
        type DeploymentStrategy
          1 type string
          2 rollingUpdate RollingUpdateDeployment
        type RollingUpdateDeployment
          1 maxUnavailable intOrString
          2 maxSurge intOrString
        type DeploymentCondition
          1 type string
          2 status string -- What was last observed; written by the system.
          6 lastUpdateTime time
          7 lastTransitionTime time -- When it last changed.
          4 reason string -- Why, in a word.
          5 message string -- Why, for people.
        """#)
}
